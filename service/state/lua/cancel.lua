-- KEYS job, queued, counters · ARGV id, now, TTL of counters, format
-- Answer: the job's fields after that; none: there is no such job.
-- of a newer format: it is left to a process of a newer version
if tonumber(redis.call('HGET', KEYS[1], 'format') or 0) > tonumber(ARGV[4]) then return redis.call('HGETALL', KEYS[1]) end
cancel(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
return redis.call('HGETALL', KEYS[1])

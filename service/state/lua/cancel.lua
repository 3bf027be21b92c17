-- KEYS job, queued, counters · ARGV id, now, TTL of counters, format · a waiting job ends immediately, a running one is flagged
-- Returns the job's fields afterwards; nothing if the job does not exist.
-- newer format: leave it to a process of a newer version
if tonumber(redis.call('HGET', KEYS[1], 'format') or 0) > tonumber(ARGV[4]) then return redis.call('HGETALL', KEYS[1]) end
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'queued' then
    redis.call('HSET', KEYS[1], 'state', 'canceled', 'cancel', 1, 'finished_at', ARGV[2])
    redis.call('ZREM', KEYS[2], ARGV[1])
    redis.call('HINCRBY', KEYS[3], 'jobs:canceled', 1)
    redis.call('EXPIRE', KEYS[3], ARGV[3])
    redis.call('HINCRBY', KEYS[1], 'version', 1)
elseif state == 'running' then
    redis.call('HSET', KEYS[1], 'cancel', 1)
    redis.call('HINCRBY', KEYS[1], 'version', 1)
end
return redis.call('HGETALL', KEYS[1])

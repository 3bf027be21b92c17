-- KEYS job, its checkpoints, its events, its owner's events, queued, counters · ARGV id, now, TTL of counters, format
-- Returns the job's fields afterwards; nothing if the job does not exist.
local job, checkpoints, job_events, owner_events, queued, counters = unpack(KEYS)
-- newer format: leave it to a process of a newer version
if tonumber(redis.call('HGET', job, 'format') or 0) > tonumber(ARGV[4]) then return redis.call('HGETALL', job) end
if cancel(job, queued, counters, ARGV[1], ARGV[2], ARGV[3]) then changed(job, checkpoints, job_events, owner_events) end
return redis.call('HGETALL', job)

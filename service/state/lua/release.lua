-- KEYS job, its checkpoints, its events, its owner's events, queued, running, counters
-- ARGV id, attempt, now, code of the failure or '', max_attempts, error, TTL of counters
-- Ends an attempt that has no result. A failed attempt that came further than all before it does not count toward the
-- most attempts. Answer: the job's state after it, 'lost' if another attempt holds the job.
local job, checkpoints, job_events, owner_events, queued, running, counters = unpack(KEYS)
if redis.call('HGET', job, 'attempt') ~= ARGV[2] then return 'lost' end
local state = redis.call('HGET', job, 'state')
-- the same call repeated, after its response was lost
if state ~= 'running' then return state end
redis.call('ZREM', running, ARGV[1])
local advanced = redis.call('HGET', job, 'advanced') == '1'
local failures = redis.call('HINCRBY', job, 'failures', (ARGV[4] == '' or advanced) and 0 or 1)
if ARGV[4] ~= '' then count(counters, 'failures:service:' .. ARGV[4], ARGV[7]) end
redis.call('HDEL', job, 'progress', 'holder')
if redis.call('HGET', job, 'cancel') == '1' then
    state = 'canceled'
elseif failures >= tonumber(ARGV[5]) then
    state = 'failed'
    redis.call('HSET', job, 'error', ARGV[6])
else
    state = 'queued'
    redis.call('ZADD', queued, server_time(), ARGV[1])
end
redis.call('HSET', job, 'state', state)
if state ~= 'queued' then
    redis.call('HSET', job, 'finished_at', ARGV[3])
    count(counters, 'jobs:' .. state, ARGV[7])
end
changed(job, checkpoints, job_events, owner_events)
return state

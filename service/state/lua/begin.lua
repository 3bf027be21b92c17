-- KEYS job, its checkpoints, its events, its owner's events, queued, running, counters
-- ARGV id, now, holder, alive_s, max_attempts, error, TTL of counters, format
-- Returns the job's fields with the attempt, which is the fencing token; nothing if there is nothing to do. If a caller
-- read them separately, it could find another caller's attempt.
local job, checkpoints, job_events, owner_events, queued, running, counters = unpack(KEYS)
local function done(state)
    redis.call('HSET', job, 'state', state, 'finished_at', ARGV[2])
    redis.call('ZREM', running, ARGV[1])
    count(counters, 'jobs:' .. state, ARGV[7])
    changed(job, checkpoints, job_events, owner_events)
    return {}
end
-- newer format: leave it to a worker of a newer version
if tonumber(redis.call('HGET', job, 'format') or 0) > tonumber(ARGV[8]) then return redis.call('HGETALL', job) end
local state = redis.call('HGET', job, 'state')
if state == 'running' then
    -- the same call repeated, after its response was lost
    if redis.call('HGET', job, 'holder') == ARGV[3] then return redis.call('HGETALL', job) end
end
redis.call('ZREM', queued, ARGV[1])
if not state or state == 'done' or state == 'failed' or state == 'canceled' then
    redis.call('ZREM', running, ARGV[1])
    return {}
end
local now = server_time()
if state == 'running' then
    local seen = redis.call('ZSCORE', running, ARGV[1])
    -- its attempt is alive: this is a duplicate delivery of the job
    if seen and now - tonumber(seen) < tonumber(ARGV[4]) then return {} end
    -- an attempt that progressed further than all before it does not count: the next one resumes from there
    if redis.call('HGET', job, 'advanced') ~= '1' then redis.call('HINCRBY', job, 'failures', 1) end
    count(counters, 'failures:service:worker-died', ARGV[7])
end
if redis.call('HGET', job, 'cancel') == '1' then return done('canceled') end
if tonumber(redis.call('HGET', job, 'failures') or 0) >= tonumber(ARGV[5]) then
    redis.call('HSET', job, 'error', ARGV[6])
    return done('failed')
end
redis.call('HSET', job, 'state', 'running', 'started_at', ARGV[2], 'holder', ARGV[3])
redis.call('HINCRBY', job, 'attempt', 1)
redis.call('HDEL', job, 'progress', 'advanced')
redis.call('ZADD', running, now, ARGV[1])
changed(job, checkpoints, job_events, owner_events)
return redis.call('HGETALL', job)

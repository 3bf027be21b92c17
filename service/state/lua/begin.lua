-- KEYS job, queued, running, counters · ARGV id, now, holder, alive_s, max_attempts, error, TTL of counters, format
-- Returns the job's fields with the attempt, which is the fencing token; nothing if there is nothing to do. If a caller
-- read them separately, it could find another caller's attempt.
local function count(field)
    redis.call('HINCRBY', KEYS[4], field, 1)
    redis.call('EXPIRE', KEYS[4], ARGV[7])
end
local function done(state)
    redis.call('HSET', KEYS[1], 'state', state, 'finished_at', ARGV[2])
    count('jobs:' .. state)
    redis.call('HINCRBY', KEYS[1], 'version', 1)
    redis.call('ZREM', KEYS[3], ARGV[1])
    return {}
end
-- newer format: leave it to a worker of a newer version
if tonumber(redis.call('HGET', KEYS[1], 'format') or 0) > tonumber(ARGV[8]) then return redis.call('HGETALL', KEYS[1]) end
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'running' then
    -- the same call repeated, after its response was lost
    if redis.call('HGET', KEYS[1], 'holder') == ARGV[3] then return redis.call('HGETALL', KEYS[1]) end
end
redis.call('ZREM', KEYS[2], ARGV[1])
if not state or state == 'done' or state == 'failed' or state == 'canceled' then
    redis.call('ZREM', KEYS[3], ARGV[1])
    return {}
end
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
if state == 'running' then
    local seen = redis.call('ZSCORE', KEYS[3], ARGV[1])
    -- its attempt is alive: this is a duplicate delivery of the job
    if seen and now - tonumber(seen) < tonumber(ARGV[4]) then return {} end
    -- an attempt that progressed further than all before it does not count: the next one resumes from there
    if redis.call('HGET', KEYS[1], 'advanced') ~= '1' then redis.call('HINCRBY', KEYS[1], 'failures', 1) end
    count('failures:service:worker-died')
end
if redis.call('HGET', KEYS[1], 'cancel') == '1' then return done('canceled') end
if tonumber(redis.call('HGET', KEYS[1], 'failures') or 0) >= tonumber(ARGV[5]) then
    redis.call('HSET', KEYS[1], 'error', ARGV[6])
    return done('failed')
end
redis.call('HSET', KEYS[1], 'state', 'running', 'started_at', ARGV[2], 'holder', ARGV[3])
redis.call('HINCRBY', KEYS[1], 'attempt', 1)
redis.call('HDEL', KEYS[1], 'progress', 'advanced')
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('ZADD', KEYS[3], now, ARGV[1])
return redis.call('HGETALL', KEYS[1])

-- KEYS job, queued, running, counters · ARGV id, attempt, now, code of the failure or '', max_attempts, error, TTL of counters
-- Ends an attempt without a result. Returns the job's state afterwards, or 'lost' if another attempt holds the job.
-- A failed attempt that progressed further than all before it does not count toward the maximum.
if redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[2] then return 'lost' end
local state = redis.call('HGET', KEYS[1], 'state')
-- the same call repeated, after its response was lost
if state ~= 'running' then return state end
local function count(field)
    redis.call('HINCRBY', KEYS[4], field, 1)
    redis.call('EXPIRE', KEYS[4], ARGV[7])
end
local advanced = redis.call('HGET', KEYS[1], 'advanced') == '1'
local failures = redis.call('HINCRBY', KEYS[1], 'failures', (ARGV[4] == '' or advanced) and 0 or 1)
if ARGV[4] ~= '' then count('failures:service:' .. ARGV[4]) end
redis.call('HDEL', KEYS[1], 'progress', 'holder')
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('HGET', KEYS[1], 'cancel') == '1' then
    redis.call('HSET', KEYS[1], 'state', 'canceled', 'finished_at', ARGV[3])
    count('jobs:canceled')
    return 'canceled'
end
if failures >= tonumber(ARGV[5]) then
    redis.call('HSET', KEYS[1], 'state', 'failed', 'finished_at', ARGV[3], 'error', ARGV[6])
    count('jobs:failed')
    return 'failed'
end
redis.call('HSET', KEYS[1], 'state', 'queued')
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
redis.call('ZADD', KEYS[2], now, ARGV[1])
return 'queued'

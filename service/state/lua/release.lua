-- KEYS job, queued, running, counters · ARGV id, attempt, now, code of the failure or '', max_attempts, error, TTL of counters
-- A failed attempt that came further than all before it does not count toward the most attempts.
-- Ends an attempt that has no result. Answer: the job's state after it, 'lost' if another attempt holds the job.
if redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[2] then return 'lost' end
local state = redis.call('HGET', KEYS[1], 'state')
-- the same call again, after its answer was lost
if state ~= 'running' then return state end
local advanced = redis.call('HGET', KEYS[1], 'advanced') == '1'
local failures = redis.call('HINCRBY', KEYS[1], 'failures', (ARGV[4] == '' or advanced) and 0 or 1)
if ARGV[4] ~= '' then count(KEYS[4], 'failures:service:' .. ARGV[4], ARGV[7]) end
redis.call('HDEL', KEYS[1], 'progress', 'holder')
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('HGET', KEYS[1], 'cancel') == '1' then
    redis.call('HSET', KEYS[1], 'state', 'canceled', 'finished_at', ARGV[3])
    count(KEYS[4], 'jobs:canceled', ARGV[7])
    return 'canceled'
end
if failures >= tonumber(ARGV[5]) then
    redis.call('HSET', KEYS[1], 'state', 'failed', 'finished_at', ARGV[3], 'error', ARGV[6])
    count(KEYS[4], 'jobs:failed', ARGV[7])
    return 'failed'
end
redis.call('HSET', KEYS[1], 'state', 'queued')
local now = server_time()
redis.call('ZADD', KEYS[2], now, ARGV[1])
return 'queued'

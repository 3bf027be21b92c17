-- KEYS job, running, counters · ARGV id, attempt, state, now, field, value, code of the failure or '', TTL of counters
-- Returns 1 if this attempt has ended the job.
-- Fencing: only the newest attempt at a job can end it, and only once.
if redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[2] then return 0 end
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'running' then
    -- the same call repeated, after its response was lost
    if state == ARGV[3] then return 1 end
    return 0
end
redis.call('HSET', KEYS[1], 'state', ARGV[3], 'finished_at', ARGV[4])
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], ARGV[5], ARGV[6]) end
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HINCRBY', KEYS[3], 'jobs:' .. ARGV[3], 1)
if ARGV[7] ~= '' then redis.call('HINCRBY', KEYS[3], 'failures:input:' .. ARGV[7], 1) end
redis.call('EXPIRE', KEYS[3], ARGV[8])
return 1

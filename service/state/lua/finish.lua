-- KEYS job, running · ARGV id, attempt, state, now, field, value · 1 if this attempt still held the job
-- The fence: of all attempts at a job only the newest can end it, and only once.
if redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[2] or redis.call('HGET', KEYS[1], 'state') ~= 'running' then
    return 0
end
local state = ARGV[3]
if state == 'queued' then
    -- given back, not failed: the attempt does not count
    redis.call('HINCRBY', KEYS[1], 'attempt', -1)
else
    redis.call('HSET', KEYS[1], 'finished_at', ARGV[4])
end
redis.call('HSET', KEYS[1], 'state', state)
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], ARGV[5], ARGV[6]) end
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('ZREM', KEYS[2], ARGV[1])
return 1

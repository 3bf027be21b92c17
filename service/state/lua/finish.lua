-- KEYS job, running, counters · ARGV id, attempt, state, now, field, value, code of the failure or '', TTL of counters
-- Answer: 1 if it was this attempt that ended the job in this state.
-- The fence: of all attempts at a job only the newest can end it, and only once.
if redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[2] then return 0 end
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'running' then
    -- the same call again, after its answer was lost
    if state == ARGV[3] then return 1 end
    return 0
end
redis.call('ZREM', KEYS[2], ARGV[1])
local function ended(as)
    redis.call('HSET', KEYS[1], 'state', as, 'finished_at', ARGV[4])
    redis.call('HINCRBY', KEYS[1], 'version', 1)
    count(KEYS[3], 'jobs:' .. as, ARGV[8])
end
-- a cancel that came before the end counts, and with it the deletion of the video
if ARGV[3] ~= 'canceled' and redis.call('HGET', KEYS[1], 'cancel') == '1' then
    ended('canceled')
    return 0
end
ended(ARGV[3])
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], ARGV[5], ARGV[6]) end
if ARGV[7] ~= '' then count(KEYS[3], 'failures:input:' .. ARGV[7], ARGV[8]) end
return 1

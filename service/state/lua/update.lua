-- KEYS job, running, job's checkpoints · ARGV id, attempt, progress or '', checkpoints reached …
-- Returns 'ok', 'cancel' or 'lost' (another attempt holds it)
if redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[2] or redis.call('HGET', KEYS[1], 'state') ~= 'running' then
    return 'lost'
end
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
redis.call('ZADD', KEYS[2], now, ARGV[1])
if ARGV[3] ~= '' and redis.call('HGET', KEYS[1], 'progress') ~= ARGV[3] then
    redis.call('HSET', KEYS[1], 'progress', ARGV[3])
    redis.call('HINCRBY', KEYS[1], 'version', 1)
end
for i = 4, #ARGV do
    -- no earlier attempt has progressed this far
    if redis.call('SADD', KEYS[3], ARGV[i]) == 1 then redis.call('HSET', KEYS[1], 'advanced', 1) end
end
-- they expire with their job
if #ARGV > 3 then redis.call('PEXPIRE', KEYS[3], redis.call('PTTL', KEYS[1])) end
if redis.call('HGET', KEYS[1], 'cancel') == '1' then return 'cancel' end
return 'ok'

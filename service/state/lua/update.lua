-- KEYS job, its checkpoints, its events, its owner's events, running
-- ARGV id, attempt, progress or '', checkpoints reached …
-- Returns 'ok', 'cancel' or 'lost' (another attempt holds it)
local job, checkpoints, job_events, owner_events, running = unpack(KEYS)
if redis.call('HGET', job, 'attempt') ~= ARGV[2] or redis.call('HGET', job, 'state') ~= 'running' then return 'lost' end
redis.call('ZREM', running, ARGV[1])
redis.call('ZADD', running, server_time(), ARGV[1])
if ARGV[3] ~= '' and redis.call('HGET', job, 'progress') ~= ARGV[3] then
    redis.call('HSET', job, 'progress', ARGV[3])
    changed(job, checkpoints, job_events, owner_events)
end
for i = 4, #ARGV do
    -- no earlier attempt has progressed this far
    if redis.call('SADD', checkpoints, ARGV[i]) == 1 then redis.call('HSET', job, 'advanced', 1) end
end
-- they expire with their job
if #ARGV > 3 then redis.call('PEXPIRE', checkpoints, redis.call('PTTL', job)) end
if redis.call('HGET', job, 'cancel') == '1' then return 'cancel' end
return 'ok'

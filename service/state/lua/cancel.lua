-- KEYS job, queued · ARGV id, now · a waiting job ends at once, a running one is told
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 0 end
if state == 'queued' then
    redis.call('HSET', KEYS[1], 'state', 'canceled', 'cancel', 1, 'finished_at', ARGV[2])
    redis.call('ZREM', KEYS[2], ARGV[1])
    redis.call('HINCRBY', KEYS[1], 'version', 1)
elseif state == 'running' then
    redis.call('HSET', KEYS[1], 'cancel', 1)
    redis.call('HINCRBY', KEYS[1], 'version', 1)
end
return 1

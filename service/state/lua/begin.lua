-- KEYS job, queued, running · ARGV id, now, max_attempts, error · the attempt is the fencing token; 0: nothing to do
local state = redis.call('HGET', KEYS[1], 'state')
if not state or state == 'done' or state == 'failed' or state == 'canceled' then
    redis.call('ZREM', KEYS[2], ARGV[1])
    redis.call('ZREM', KEYS[3], ARGV[1])
    return 0
end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HINCRBY', KEYS[1], 'version', 1)
if redis.call('HGET', KEYS[1], 'cancel') == '1' then
    redis.call('HSET', KEYS[1], 'state', 'canceled', 'finished_at', ARGV[2])
    redis.call('ZREM', KEYS[3], ARGV[1])
    return 0
end
local attempt = redis.call('HINCRBY', KEYS[1], 'attempt', 1)
if attempt > tonumber(ARGV[3]) then
    redis.call('HINCRBY', KEYS[1], 'attempt', -1)
    redis.call('HSET', KEYS[1], 'state', 'failed', 'finished_at', ARGV[2], 'error', ARGV[4])
    redis.call('ZREM', KEYS[3], ARGV[1])
    return 0
end
redis.call('HSET', KEYS[1], 'state', 'running', 'started_at', ARGV[2])
redis.call('HDEL', KEYS[1], 'progress')
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
return attempt

-- KEYS workers · ARGV id, seconds after which a worker counts as gone
-- A worker shows that it takes work; those that have not done so for long go.
redis.call('ZREM', KEYS[1], ARGV[1])
local now = server_time()
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])

-- KEYS workers · ARGV id, seconds after which a worker counts as gone
-- Records that a worker takes jobs, and removes workers that have not done so recently.
redis.call('ZREM', KEYS[1], ARGV[1])
local now = server_time()
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])

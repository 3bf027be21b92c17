-- KEYS video, mark of a deleted video, number of its uploads · ARGV record, TTL, record whose file is missing or ''
-- Returns the valid record: the first one whose file exists.
local known = redis.call('GET', KEYS[1])
if known and known ~= ARGV[3] then
    redis.call('EXPIRE', KEYS[1], ARGV[2])
    redis.call('SET', KEYS[3], 2, 'EX', ARGV[2])
    return known
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('SET', KEYS[3], 1, 'EX', ARGV[2])
redis.call('DEL', KEYS[2])
return ARGV[1]

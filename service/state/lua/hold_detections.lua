-- KEYS record of the file, its owners · ARGV owner, seconds for which it holds the file, TTL, a new file or '', a file that is missing or ''
-- Answer: the name of the file that counts, which is the first one that is there; '' there is none.
local file = redis.call('GET', KEYS[1])
if ARGV[4] ~= '' and (not file or file == ARGV[5]) then file = ARGV[4] end
if not file then return '' end
redis.call('SET', KEYS[1], file, 'EX', ARGV[3])
redis.call('ZADD', KEYS[2], server_time() + tonumber(ARGV[2]), ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return file

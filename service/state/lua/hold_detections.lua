-- KEYS record of the file, its owners · ARGV owner, seconds until its hold expires, TTL, new file or '', missing file or ''
-- Returns the name of the valid file, which is the first one that exists, or '' if there is none.
local file = redis.call('GET', KEYS[1])
if ARGV[4] ~= '' and (not file or file == ARGV[5]) then file = ARGV[4] end
if not file then return '' end
redis.call('SET', KEYS[1], file, 'EX', ARGV[3])
redis.call('ZADD', KEYS[2], server_time() + tonumber(ARGV[2]), ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return file

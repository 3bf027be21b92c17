-- KEYS video, number of its uploads, video's jobs · ARGV record
-- Forgets a video that one upload has stored and no job uses. Returns whether it did.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('GET', KEYS[2]) ~= '1' then return 0 end
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
return 1

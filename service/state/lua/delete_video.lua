-- KEYS video, mark of a deleted video, video's jobs, queued, counters
-- ARGV now, TTL of the mark, TTL of counters, format, head of the keys of jobs, of records of detections, of their owners
-- Answer: the video's record, its jobs, and the files of detections that no other job needs; none: no such video.
local record = redis.call('GET', KEYS[1])
if not record then return {} end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '1', 'EX', ARGV[2])
local jobs, files = redis.call('ZRANGE', KEYS[3], 0, -1), {}
redis.call('DEL', KEYS[3])
for _, id in ipairs(jobs) do
    local job = ARGV[5] .. id
    local format = redis.call('HGET', job, 'format')
    -- no format: it has expired, or is of before formats had numbers; a newer one is left to a newer version
    if redis.call('EXISTS', job) == 1 and tonumber(format or 0) <= tonumber(ARGV[4]) then
        cancel(job, KEYS[4], KEYS[5], id, ARGV[1], ARGV[3])
        redis.call('HSET', job, 'video_deleted', 1)
    end
    local given = redis.call('HGET', job, 'detections')
    if given then
        local file = let_go(ARGV[6] .. given, ARGV[7] .. given, id)
        if file then table.insert(files, file) end
    end
end
return {record, jobs, files}

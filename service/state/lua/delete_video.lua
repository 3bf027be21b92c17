-- KEYS video, mark of a deleted video, video's jobs, owner's events, queued, counters, removals, video's artifacts, waiting
-- and running artifacts
-- ARGV now, TTL of the mark, TTL of counters, format, and what the keys of these begin with: jobs, their checkpoints,
-- their events, records of detections, their owners; name of this deletion; artifacts,
-- artifacts of a job
-- Returns the video's record, its jobs, and the detections files without other owners; nothing if the video does not exist.
local video, mark, video_jobs, owner_events, queued, counters, removals, video_artifacts, waiting, running = unpack(KEYS)
local function delete_artifacts(index)
    for _, name in ipairs(redis.call('HKEYS', index)) do
        redis.call('DEL', ARGV[11] .. name)
        redis.call('ZREM', waiting, name)
        redis.call('ZREM', running, name)
    end
    redis.call('DEL', index)
end
local record = redis.call('GET', video)
if not record then return {} end
local jobs, files = redis.call('ZRANGE', video_jobs, 0, -1), {}
redis.call('DEL', video, video_jobs)
redis.call('SET', mark, '1', 'EX', ARGV[2])
delete_artifacts(video_artifacts)
for _, id in ipairs(jobs) do
    local job = ARGV[5] .. id
    local format = redis.call('HGET', job, 'format')
    -- an expired job has no fields; one in a newer format is left to a newer version
    if redis.call('EXISTS', job) == 1 and tonumber(format or 0) <= tonumber(ARGV[4]) then
        cancel(job, queued, counters, id, ARGV[1], ARGV[3])
        redis.call('HSET', job, 'video_deleted', 1)
        redis.call('HDEL', job, 'open_artifacts')
        changed(job, ARGV[6] .. id, ARGV[7] .. id, owner_events)
    end
    delete_artifacts(ARGV[12] .. id)
    local given = redis.call('HGET', job, 'detections')
    if given then
        local file = let_go(ARGV[8] .. given, ARGV[9] .. given, id)
        if file then table.insert(files, file) end
    end
end
redis.call('HSET', removals, ARGV[10],
    cjson.encode({record = record, jobs = jobs, files = files, at = tonumber(ARGV[1])}))
return {record, jobs, files}

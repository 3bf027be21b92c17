-- KEYS artifact, its owner's artifacts, waiting, running, counters, owner, and of a job: its checkpoints, its events, its
-- owner's events · ARGV name, kind, options, now, format, maximum number of waiting artifacts, file that is missing or ''
-- Returns 'gone', 'not-done' or 'full' without fields, or 'there' and the artifact's fields.
local artifact, index, waiting, running, _, owner, checkpoints, job_events, owner_events = unpack(KEYS)
local name = ARGV[1]
local function full()
    return redis.call('ZCARD', waiting) >= tonumber(ARGV[6])
end
if redis.call('EXISTS', owner) == 0 then return {'gone', {}} end
if job_events then
    if redis.call('HGET', owner, 'video_deleted') == '1' then return {'gone', {}} end
    if redis.call('HGET', owner, 'state') ~= 'done' then return {'not-done', {}} end
end
if newer_artifact(artifact, ARGV[5]) then return {'there', redis.call('HGETALL', artifact)} end
local state = redis.call('HGET', artifact, 'state')
local lost = state == 'done' and redis.call('HGET', artifact, 'file') == ARGV[7]
if state and state ~= 'failed' and not lost then return {'there', redis.call('HGETALL', artifact)} end
if full() then
    -- remove expired artifacts, which remain in the set while there is no worker
    for _, each in ipairs(redis.call('ZRANGE', waiting, 0, -1)) do
        local record = string.sub(artifact, 1, -#name - 1) .. each
        if redis.call('EXISTS', record) == 0 then redis.call('ZREM', waiting, each) end
    end
    if full() then return {'full', {}} end
end
add_artifact(artifact, waiting, owner, name, ARGV[2], ARGV[3], ARGV[4], ARGV[5])
artifact_changed(artifact, index, name, owner, checkpoints, job_events, owner_events)
return {'there', redis.call('HGETALL', artifact)}

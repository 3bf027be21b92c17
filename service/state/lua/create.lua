-- KEYS job, its checkpoints, its events, its owner's events, idempotency, queued, video's jobs, mark of a deleted video, record of the
-- detections, their owners
-- ARGV id, video, parameters, now, max_queue, ttl, fingerprint, idempotency ttl, detections or '', format, request id or ''
-- Returns what was done, and the job's fields if there is one.
local job, checkpoints, job_events, owner_events, idempotency, queued, video_jobs, mark, detections, owners = unpack(KEYS)
local function key(id)
    return string.sub(job, 1, -#ARGV[1] - 1) .. id
end
local function exists(id)
    return redis.call('EXISTS', key(id)) == 1
end
local function full()
    return redis.call('ZCARD', queued) >= tonumber(ARGV[5])
end
-- the same call repeated, after its response was lost
if exists(ARGV[1]) then return {'created', redis.call('HGETALL', job)} end
if redis.call('EXISTS', mark) == 1 then return {'gone', {}} end
local known = ARGV[7] ~= '' and redis.call('GET', idempotency)
if known then
    local bar = string.find(known, '|', 1, true)
    local id = string.sub(known, 1, bar - 1)
    -- the key of an expired job can be reused
    if exists(id) then
        if string.sub(known, bar + 1) ~= ARGV[7] then return {'reused', {}} end
        return {'known', redis.call('HGETALL', key(id))}
    end
end
if ARGV[9] ~= '' and redis.call('EXISTS', detections) == 0 then return {'no-detections', {}} end
if full() then
    -- remove expired jobs, which remain in the set while there is no worker
    for _, id in ipairs(redis.call('ZRANGE', queued, 0, -1)) do
        if not exists(id) then redis.call('ZREM', queued, id) end
    end
    if full() then return {'full', {}} end
end
redis.call('HSET', job, 'id', ARGV[1], 'video_id', ARGV[2], 'parameters', ARGV[3], 'state', 'queued',
    'attempt', 0, 'created_at', ARGV[4], 'version', 0, 'format', ARGV[10])
if ARGV[11] ~= '' then redis.call('HSET', job, 'request_id', ARGV[11]) end
redis.call('EXPIRE', job, ARGV[6])
local now = server_time()
if ARGV[9] ~= '' then
    redis.call('HSET', job, 'detections', ARGV[9])
    -- the job becomes an owner of the file
    redis.call('ZADD', owners, now + tonumber(ARGV[6]), ARGV[1])
    redis.call('EXPIRE', detections, ARGV[6])
    redis.call('EXPIRE', owners, ARGV[6])
end
redis.call('ZADD', queued, now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', video_jobs, '-inf', now)
redis.call('ZADD', video_jobs, now + tonumber(ARGV[6]), ARGV[1])
redis.call('EXPIRE', video_jobs, ARGV[6])
if ARGV[7] ~= '' then redis.call('SET', idempotency, ARGV[1] .. '|' .. ARGV[7], 'EX', ARGV[8]) end
changed(job, checkpoints, job_events, owner_events)
return {'created', redis.call('HGETALL', job)}

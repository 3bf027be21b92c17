-- KEYS job, idempotency, queued, video's jobs, mark of a deleted video, record of the detections, their owners
-- ARGV id, video, parameters, now, max_queue, ttl, fingerprint, idempotency ttl, detections or '', format
-- Answer: what was done, and the job's fields where there is one.
local function key(id)
    return string.sub(KEYS[1], 1, -#ARGV[1] - 1) .. id
end
local function exists(id)
    return redis.call('EXISTS', key(id)) == 1
end
local function full()
    return redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[5])
end
-- the same call again, after its answer was lost
if exists(ARGV[1]) then return {'created', redis.call('HGETALL', KEYS[1])} end
if redis.call('EXISTS', KEYS[5]) == 1 then return {'gone', {}} end
local known = ARGV[7] ~= '' and redis.call('GET', KEYS[2])
if known then
    local bar = string.find(known, '|', 1, true)
    local id = string.sub(known, 1, bar - 1)
    -- a job that has expired leaves its key to the next one
    if exists(id) then
        if string.sub(known, bar + 1) ~= ARGV[7] then return {'reused', {}} end
        return {'known', redis.call('HGETALL', key(id))}
    end
end
if ARGV[9] ~= '' and redis.call('EXISTS', KEYS[6]) == 0 then return {'no-detections', {}} end
if full() then
    -- expired jobs no longer wait, but without a worker nothing has removed them
    for _, id in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
        if not exists(id) then redis.call('ZREM', KEYS[3], id) end
    end
    if full() then return {'full', {}} end
end
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'video_id', ARGV[2], 'parameters', ARGV[3], 'state', 'queued',
    'attempt', 0, 'created_at', ARGV[4], 'version', 1, 'format', ARGV[10])
redis.call('EXPIRE', KEYS[1], ARGV[6])
local now = server_time()
if ARGV[9] ~= '' then
    redis.call('HSET', KEYS[1], 'detections', ARGV[9])
    -- the job owns the file, together with every other job that was given it
    redis.call('ZADD', KEYS[7], now + tonumber(ARGV[6]), ARGV[1])
    redis.call('EXPIRE', KEYS[6], ARGV[6])
    redis.call('EXPIRE', KEYS[7], ARGV[6])
end
redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now)
redis.call('ZADD', KEYS[4], now + tonumber(ARGV[6]), ARGV[1])
redis.call('EXPIRE', KEYS[4], ARGV[6])
if ARGV[7] ~= '' then redis.call('SET', KEYS[2], ARGV[1] .. '|' .. ARGV[7], 'EX', ARGV[8]) end
return {'created', redis.call('HGETALL', KEYS[1])}

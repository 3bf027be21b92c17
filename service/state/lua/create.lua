-- KEYS job, idempotency, queued, video's jobs, mark of a deleted video · ARGV id, video, parameters, now, max_queue, ttl, fingerprint, idempotency ttl,
-- detections, format
-- Returns what was done, and the job's fields if there is one.
local function key(id)
    return string.sub(KEYS[1], 1, -#ARGV[1] - 1) .. id
end
local function exists(id)
    return redis.call('EXISTS', key(id)) == 1
end
local function full()
    return redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[5])
end
-- the same call repeated, after its response was lost
if exists(ARGV[1]) then return {'created', redis.call('HGETALL', KEYS[1])} end
if redis.call('EXISTS', KEYS[5]) == 1 then return {'gone', {}} end
local known = ARGV[7] ~= '' and redis.call('GET', KEYS[2])
if known then
    local bar = string.find(known, '|', 1, true)
    local id = string.sub(known, 1, bar - 1)
    -- the key of an expired job can be reused
    if exists(id) then
        if string.sub(known, bar + 1) ~= ARGV[7] then return {'reused', {}} end
        return {'known', redis.call('HGETALL', key(id))}
    end
end
if full() then
    -- remove expired jobs, which remain in the set while there is no worker
    for _, id in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
        if not exists(id) then redis.call('ZREM', KEYS[3], id) end
    end
    if full() then return {'full', {}} end
end
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'video_id', ARGV[2], 'parameters', ARGV[3], 'state', 'queued',
    'attempt', 0, 'created_at', ARGV[4], 'version', 1, 'format', ARGV[10])
if ARGV[9] ~= '' then redis.call('HSET', KEYS[1], 'detections', ARGV[9]) end
redis.call('EXPIRE', KEYS[1], ARGV[6])
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now)
redis.call('ZADD', KEYS[4], now + tonumber(ARGV[6]), ARGV[1])
redis.call('EXPIRE', KEYS[4], ARGV[6])
if ARGV[7] ~= '' then redis.call('SET', KEYS[2], ARGV[1] .. '|' .. ARGV[7], 'EX', ARGV[8]) end
return {'created', redis.call('HGETALL', KEYS[1])}

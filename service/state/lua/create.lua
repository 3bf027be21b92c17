-- KEYS job, idempotency, queued · ARGV id, video, parameters, now, max_queue, ttl, fingerprint, idempotency ttl
if ARGV[7] ~= '' then
    local known = redis.call('GET', KEYS[2])
    if known then
        local bar = string.find(known, '|', 1, true)
        if string.sub(known, bar + 1) == ARGV[7] then return {'known', string.sub(known, 1, bar - 1)} end
        return {'reused', ''}
    end
end
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[5]) then return {'full', ''} end
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'video_id', ARGV[2], 'parameters', ARGV[3], 'state', 'queued',
    'attempt', 0, 'created_at', ARGV[4], 'version', 1)
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])
if ARGV[7] ~= '' then redis.call('SET', KEYS[2], ARGV[1] .. '|' .. ARGV[7], 'EX', ARGV[8]) end
return {'created', ARGV[1]}

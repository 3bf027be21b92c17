-- KEYS job, running · ARGV id, attempt, now, progress or '' · 'ok', 'cancel' or 'lost' (another attempt has it)
if redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[2] or redis.call('HGET', KEYS[1], 'state') ~= 'running' then
    return 'lost'
end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
if ARGV[4] ~= '' then
    redis.call('HSET', KEYS[1], 'progress', ARGV[4])
    redis.call('HINCRBY', KEYS[1], 'version', 1)
end
if redis.call('HGET', KEYS[1], 'cancel') == '1' then return 'cancel' end
return 'ok'

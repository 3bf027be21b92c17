-- KEYS artifact, its owner's artifacts, waiting, running, counters, owner, and of a job: its checkpoints, its events, its
-- owner's events · ARGV name, now, holder, alive_s, max_attempts, error, TTL of counters, format
-- Returns the artifact's fields with the attempt, which is the fencing token; nothing if there is nothing to do.
local artifact, index, waiting, running, counters, owner, checkpoints, job_events, owner_events = unpack(KEYS)
local name = ARGV[1]
if newer_artifact(artifact, ARGV[8]) then return redis.call('HGETALL', artifact) end
if orphaned(artifact, index, waiting, running, owner, name) then return {} end
local state = redis.call('HGET', artifact, 'state')
if state == 'running' then
    -- the same call repeated, after its response was lost
    if redis.call('HGET', artifact, 'holder') == ARGV[3] then return redis.call('HGETALL', artifact) end
end
redis.call('ZREM', waiting, name)
local now = server_time()
if state == 'running' then
    local seen = redis.call('ZSCORE', running, name)
    -- its attempt is alive: this is a duplicate delivery
    if seen and now - tonumber(seen) < tonumber(ARGV[4]) then return {} end
    redis.call('HINCRBY', artifact, 'failures', 1)
elseif state ~= 'waiting' then
    redis.call('ZREM', running, name)
    return {}
end
if tonumber(redis.call('HGET', artifact, 'failures') or 0) >= tonumber(ARGV[5]) then
    redis.call('HSET', artifact, 'error', ARGV[6])
    end_artifact(artifact, running, counters, name, 'failed', ARGV[2], ARGV[7])
    artifact_changed(artifact, index, name, owner, checkpoints, job_events, owner_events)
    return {}
end
redis.call('HSET', artifact, 'state', 'running', 'started_at', ARGV[2], 'holder', ARGV[3])
redis.call('HINCRBY', artifact, 'attempt', 1)
redis.call('HDEL', artifact, 'progress')
redis.call('ZADD', running, now, name)
artifact_changed(artifact, index, name, owner, checkpoints, job_events, owner_events)
return redis.call('HGETALL', artifact)

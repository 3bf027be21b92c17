-- KEYS artifact, its owner's artifacts, waiting, running, counters, owner, and of a job: its checkpoints, its events, its
-- owner's events · ARGV name, attempt, progress or ''
-- Returns 'ok' or 'lost': another attempt holds the artifact, or it is deleted.
local artifact, index, waiting, running, _, owner, checkpoints, job_events, owner_events = unpack(KEYS)
local name = ARGV[1]
if orphaned(artifact, index, waiting, running, owner, name) then return 'lost' end
if redis.call('HGET', artifact, 'attempt') ~= ARGV[2] or redis.call('HGET', artifact, 'state') ~= 'running' then
    return 'lost'
end
redis.call('ZREM', running, name)
redis.call('ZADD', running, server_time(), name)
if ARGV[3] ~= '' and redis.call('HGET', artifact, 'progress') ~= ARGV[3] then
    redis.call('HSET', artifact, 'progress', ARGV[3])
    artifact_changed(artifact, index, name, owner, checkpoints, job_events, owner_events)
end
return 'ok'

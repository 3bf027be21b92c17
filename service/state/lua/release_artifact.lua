-- KEYS artifact, its owner's artifacts, waiting, running, counters, owner, and of a job: its checkpoints, its events, its
-- owner's events · ARGV name, attempt, now, whether the attempt has failed (1 or 0), max_attempts, error, TTL of counters
-- Ends an attempt without a file. Returns the artifact's state, 'lost' if another attempt holds it or it is deleted.
local artifact, index, waiting, running, counters, owner, checkpoints, job_events, owner_events = unpack(KEYS)
local name = ARGV[1]
if orphaned(artifact, index, waiting, running, owner, name) then return 'lost' end
if redis.call('HGET', artifact, 'attempt') ~= ARGV[2] then return 'lost' end
local state = redis.call('HGET', artifact, 'state')
-- the same call repeated, after its response was lost
if state ~= 'running' then return state end
redis.call('ZREM', running, name)
redis.call('HDEL', artifact, 'progress', 'holder')
if redis.call('HINCRBY', artifact, 'failures', ARGV[4]) >= tonumber(ARGV[5]) then
    redis.call('HSET', artifact, 'error', ARGV[6])
    end_artifact(artifact, running, counters, name, 'failed', ARGV[3], ARGV[7])
else
    redis.call('HSET', artifact, 'state', 'waiting')
    redis.call('ZADD', waiting, server_time(), name)
end
artifact_changed(artifact, index, name, owner, checkpoints, job_events, owner_events)
return redis.call('HGET', artifact, 'state')

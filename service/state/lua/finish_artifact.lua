-- KEYS artifact, its owner's artifacts, waiting, running, counters, owner, and of a job: its checkpoints, its events, its
-- owner's events · ARGV name, attempt, state, now, TTL of counters, then names and values of fields
-- Returns 1 if this attempt has ended the artifact in this state.
local artifact, index, waiting, running, counters, owner, checkpoints, job_events, owner_events = unpack(KEYS)
local name = ARGV[1]
if orphaned(artifact, index, waiting, running, owner, name) then return 0 end
-- Fencing: only the newest attempt can end the artifact, and only once.
if redis.call('HGET', artifact, 'attempt') ~= ARGV[2] then return 0 end
local state = redis.call('HGET', artifact, 'state')
if state ~= 'running' then
    -- the same call repeated, after its response was lost
    return state == ARGV[3] and 1 or 0
end
end_artifact(artifact, running, counters, name, ARGV[3], ARGV[4], ARGV[5])
redis.call('HSET', artifact, unpack(ARGV, 6))
artifact_changed(artifact, index, name, owner, checkpoints, job_events, owner_events)
return 1

-- Functions on artifacts, shared by the scripts; `connection.script` prepends this text, too.
-- Whether the record was written in a newer format: it is left to a process of a newer version.
local function newer_artifact(artifact, format)
    return tonumber(redis.call('HGET', artifact, 'format') or 0) > tonumber(format)
end
-- Whether the artifact's owner is gone. What is left of the artifact then goes, too.
local function orphaned(artifact, index, waiting, running, owner, name)
    if redis.call('EXISTS', owner) == 1 then return false end
    redis.call('ZREM', waiting, name)
    redis.call('ZREM', running, name)
    redis.call('DEL', artifact, index)
    return true
end
-- The last step of every change of an artifact. The change of a job's artifact is a change of the job, with its event;
-- a video has no events, and for its artifacts the last three keys are not given.
local function artifact_changed(artifact, index, name, owner, checkpoints, job_events, owner_events)
    local state = redis.call('HGET', artifact, 'state')
    redis.call('HSET', index, name, state)
    redis.call('PEXPIRE', index, math.max(redis.call('PTTL', owner), 1))
    if not job_events then return end
    local open = 0
    for _, each in ipairs(redis.call('HVALS', index)) do
        if each == 'waiting' or each == 'running' then open = open + 1 end
    end
    redis.call('HSET', owner, 'open_artifacts', open)
    changed(owner, checkpoints, job_events, owner_events, {'artifact', name, 'artifact_state', state})
end
-- Creates an artifact, or makes one that has ended wait again; the numbers of its attempts continue.
local function add_artifact(artifact, waiting, owner, name, kind, options, now, format)
    redis.call('HSET', artifact, 'name', name, 'kind', kind, 'options', options, 'state', 'waiting', 'created_at', now,
        'format', format)
    redis.call('HSETNX', artifact, 'attempt', 0)
    redis.call('HDEL', artifact, 'error', 'file', 'size_bytes', 'failures', 'started_at', 'finished_at')
    redis.call('PEXPIRE', artifact, math.max(redis.call('PTTL', owner), 1))
    redis.call('ZADD', waiting, server_time(), name)
end
-- The artifact's state after its last attempt. Fields that only a running one needs go.
local function end_artifact(artifact, running, counters, name, state, now, counters_ttl)
    redis.call('ZREM', running, name)
    redis.call('HSET', artifact, 'state', state, 'finished_at', now)
    redis.call('HDEL', artifact, 'progress', 'holder', 'failures')
    count(counters, 'artifacts:' .. redis.call('HGET', artifact, 'kind') .. ':' .. state, counters_ttl)
end

-- Functions shared by the scripts; `connection.script` prepends this text, and the limits of events, to each.
-- A server without memory rejects writes that may allocate, unless the script has already executed a write that does
-- not. So scripts that must work on a full server (heartbeat, cancel, end, deletion) start with a removal.
local function server_time()
    local clock = redis.call('TIME')
    return clock[1] + clock[2] / 1000000
end
local function count(counters, field, ttl)
    redis.call('HINCRBY', counters, field, 1)
    redis.call('EXPIRE', counters, ttl)
end
-- The last step of every change of a job: increments the version, which is the event's number, and appends the event to
-- both streams. An event has the fields of the job that followers need, and `more`; for others they read the job.
local function changed(job, checkpoints, job_events, owner_events, more)
    local state = redis.call('HGET', job, 'state')
    local ended = state == 'done' or state == 'failed' or state == 'canceled'
    if ended then
        -- fields that only a running job needs
        redis.call('HDEL', job, 'progress', 'holder', 'advanced', 'failures')
        redis.call('DEL', checkpoints)
    end
    local number = redis.call('HINCRBY', job, 'version', 1)
    local event = {'number', number}
    for _, name in ipairs({'id', 'state', 'attempt', 'cancel', 'video_deleted', 'progress'}) do
        local value = redis.call('HGET', job, name)
        if value then
            table.insert(event, name)
            table.insert(event, value)
        end
    end
    for _, each in ipairs(more or {}) do table.insert(event, each) end
    redis.call('XADD', job_events, 'MAXLEN', ended and ENDED_JOB_EVENTS or JOB_EVENTS, number .. '-0', unpack(event))
    redis.call('PEXPIRE', job_events, math.max(redis.call('PTTL', job), 1))
    redis.call('XADD', owner_events, 'MAXLEN', '~', OWNER_EVENTS, '*', unpack(event))
    redis.call('EXPIRE', owner_events, OWNER_EVENTS_TTL)
end
-- A waiting job ends at once, a running one is asked to stop. Returns whether that changed the job.
local function cancel(job, queued, counters, id, now, counters_ttl)
    local state = redis.call('HGET', job, 'state')
    redis.call('ZREM', queued, id)
    if state == 'queued' then
        redis.call('HSET', job, 'state', 'canceled', 'cancel', 1, 'finished_at', now)
        count(counters, 'jobs:canceled', counters_ttl)
    elseif state == 'running' then
        redis.call('HSET', job, 'cancel', 1)
    end
    return state == 'queued' or state == 'running'
end
-- One owner fewer of a file of detections. Answer: the file's name if that was the last one.
local function let_go(record, owners, owner)
    redis.call('ZREM', owners, owner)
    redis.call('ZREMRANGEBYSCORE', owners, '-inf', server_time())
    if redis.call('ZCARD', owners) > 0 then return false end
    local file = redis.call('GET', record)
    redis.call('DEL', record, owners)
    return file
end

-- Functions that several scripts use; `connection.script` puts this text at the head of each.
local function server_time()
    local clock = redis.call('TIME')
    return clock[1] + clock[2] / 1000000
end
local function count(counters, field, ttl)
    redis.call('HINCRBY', counters, field, 1)
    redis.call('EXPIRE', counters, ttl)
end
-- A waiting job ends at once, a running one is told to stop. Answer: whether the job changed.
local function cancel(job, queued, counters, id, now, counters_ttl)
    local state = redis.call('HGET', job, 'state')
    if state == 'queued' then
        redis.call('ZREM', queued, id)
        redis.call('HSET', job, 'state', 'canceled', 'cancel', 1, 'finished_at', now)
        count(counters, 'jobs:canceled', counters_ttl)
        redis.call('HINCRBY', job, 'version', 1)
    elseif state == 'running' then
        redis.call('HSET', job, 'cancel', 1)
        redis.call('HINCRBY', job, 'version', 1)
    end
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

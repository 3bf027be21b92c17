-- KEYS job, its checkpoints, its events, its owner's events, running, counters, its artifacts, waiting artifacts, records of
-- the artifacts to create
-- ARGV id, attempt, state, now, field, value, code of the failure or '', TTL of counters, format of artifacts, summary of
-- the result or '', and of each artifact to create: name, kind, options
-- Returns 1 if this attempt has ended the job in this state.
local job, checkpoints, job_events, owner_events, running, counters, index, waiting = unpack(KEYS)
-- Fencing: only the newest attempt at a job can end it, and only once.
if redis.call('HGET', job, 'attempt') ~= ARGV[2] then return 0 end
local state = redis.call('HGET', job, 'state')
if state ~= 'running' then
    -- the same call repeated, after its response was lost
    if state == ARGV[3] then return 1 end
    return 0
end
redis.call('ZREM', running, ARGV[1])
-- a cancellation before the end takes precedence; so does the deletion of the video, which cancels the job
local canceled = redis.call('HGET', job, 'cancel') == '1'
local ended = canceled and 'canceled' or ARGV[3]
redis.call('HSET', job, 'state', ended, 'finished_at', ARGV[4])
count(counters, 'jobs:' .. ended, ARGV[8])
if not canceled and ARGV[5] ~= '' then redis.call('HSET', job, ARGV[5], ARGV[6]) end
if not canceled and ARGV[10] ~= '' then redis.call('HSET', job, 'summary', ARGV[10]) end
if not canceled and ARGV[7] ~= '' then count(counters, 'failures:input:' .. ARGV[7], ARGV[8]) end
changed(job, checkpoints, job_events, owner_events)
-- with the commit, so that no job is done whose artifact nobody knows of
for place = 9, canceled and 0 or #KEYS do
    local name, kind, options = unpack(ARGV, 3 * place - 16, 3 * place - 14)
    add_artifact(KEYS[place], waiting, job, name, kind, options, ARGV[4], ARGV[9])
    artifact_changed(KEYS[place], index, name, job, checkpoints, job_events, owner_events)
end
return ended == ARGV[3] and 1 or 0

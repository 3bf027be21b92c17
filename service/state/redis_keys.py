"""All Redis keys. Each expires, or is a set whose entries are removed when their job ends.

Keys that refer to a job expire no later than the job, or are checked against it when read.
"""

PREFIX = "dualtrack"
DOCKET = f"{PREFIX}-jobs"
"""Name of the docket that delivers jobs, and prefix of its keys."""
QUEUED = f"{PREFIX}:jobs:queued"
"""Sorted set of waiting jobs by the time at which they began to wait, on the server's clock."""
RUNNING = f"{PREFIX}:jobs:running"
"""Sorted set of running jobs by the last heartbeat of their attempt, on the server's clock."""
COUNTERS = f"{PREFIX}:tally"
"""Hash: counters over all workers, see `counters.py`; the name dates from the first format.

Expires if nothing was counted for `COUNTERS_TTL_S`.
"""
COUNTERS_TTL_S = 30 * 24 * 3600
OWNER = "all"
"""Owner of all jobs; there is only one so far."""
MOST_JOB_EVENTS, MOST_ENDED_JOB_EVENTS = 64, 8
MOST_OWNER_EVENTS = 4096
"""Number of events that are kept, at least."""
OWNER_EVENTS_TTL_S = 24 * 3600
"""Time to live after the last event."""
WORKERS = f"{PREFIX}:workers"
"""Sorted set of workers that take jobs by their last heartbeat, on the server's clock."""
WORKER_TTL_S = 10
REMOVALS = f"{PREFIX}:removals"
"""Hash: deletions of videos whose files are not all removed yet; an entry goes with its last file."""
ARTIFACTS_WAITING = f"{PREFIX}:artifacts:waiting"
"""Sorted set of waiting artifacts by the time at which they began to wait, on the server's clock."""
ARTIFACTS_RUNNING = f"{PREFIX}:artifacts:running"
"""Sorted set of artifacts that are being made by the last heartbeat of their attempt, on the server's clock."""
IDEMPOTENCY_TTL_S = 24 * 3600
"""Maximum; a key can be reused once its job has expired."""


JOB_HEAD = f"{PREFIX}:job:"
CHECKPOINTS_HEAD = f"{PREFIX}:job-checkpoints:"
JOB_EVENTS_HEAD = f"{PREFIX}:events-of-job:"
DETECTIONS_HEAD = f"{PREFIX}:detections:"
OWNERS_HEAD = f"{PREFIX}:owners-of-detections:"
ARTIFACT_HEAD = f"{PREFIX}:artifact:"
ARTIFACTS_HEAD = f"{PREFIX}:artifacts-of:"
"""Prefixes of the keys of `job`, `job_checkpoints`, `job_events`, `detections`, `detections_owners`, `artifact` and
`artifacts_of`.

They are for the script that iterates over the jobs of a video.
"""


def job(job_id: str) -> str:
    """Hash: the state of a job."""
    return f"{JOB_HEAD}{job_id}"


def job_events(job_id: str) -> str:
    """Stream: latest events of a job by number; expires with the job."""
    return f"{JOB_EVENTS_HEAD}{job_id}"


def owner_events(owner: str) -> str:
    """Stream: latest events of all jobs of an owner, see `events.py`."""
    return f"{PREFIX}:events:{owner}"


def job_checkpoints(job_id: str) -> str:
    """Set: the checkpoints that attempts at a job have reached."""
    return f"{CHECKPOINTS_HEAD}{job_id}"


def idempotency(key: str) -> str:
    """String: `job id|fingerprint` of the request with this Idempotency-Key."""
    return f"{PREFIX}:idempotency:{key}"


def video(video_id: str) -> str:
    """String: a video's properties as JSON."""
    return f"{PREFIX}:video:{video_id}"


def deleted_video(video_id: str) -> str:
    """String: marks a deleted video until it is uploaded again; no jobs can be created for it."""
    return f"{PREFIX}:deleted:{video_id}"


def video_uploads(video_id: str) -> str:
    """String: 1 for a video that was uploaded once, 2 for one that was uploaded again."""
    return f"{PREFIX}:video-uploads:{video_id}"


def video_jobs(video_id: str) -> str:
    """Sorted set: jobs of a video by expiry time, so that they end with the video."""
    return f"{PREFIX}:jobs-of-video:{video_id}"


def detections(sha256: str) -> str:
    """String: name of a detections file in the blob store."""
    return f"{DETECTIONS_HEAD}{sha256}"


def detections_owners(sha256: str) -> str:
    """Sorted set: owners (jobs and requests) of a detections file by expiry time."""
    return f"{OWNERS_HEAD}{sha256}"


def video_cache(video_id: str) -> str:
    """Hash: cached stage results of a video, as JSON by file name."""
    return f"{PREFIX}:video-cache:{video_id}"


def artifact(name: str) -> str:
    """Hash: the state of an artifact; expires no later than its owner."""
    return f"{ARTIFACT_HEAD}{name}"


def artifacts_of(owner: str) -> str:
    """Hash: state of every artifact of an owner, `job:ID` or `video:ID`, by name."""
    return f"{ARTIFACTS_HEAD}{owner}"

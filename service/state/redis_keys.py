"""Every key in Redis, in one place. Each expires, or is a set whose entries are removed when their job ends.

What refers to a job expires with it at the latest, or is checked against it where it is read.
"""

PREFIX = "dualtrack"
DOCKET = f"{PREFIX}-jobs"
"""Name of the docket that delivers jobs; its own keys start with it."""
QUEUED = f"{PREFIX}:jobs:queued"
"""Sorted set of waiting jobs by the time when they began to wait, on the server's clock."""
RUNNING = f"{PREFIX}:jobs:running"
"""Sorted set of running jobs by the last heartbeat of their attempt, on the server's clock."""
COUNTERS = f"{PREFIX}:tally"
"""Hash: counters over all workers, see `counters.py`; named so since the first format.

Expires when nothing was counted for `COUNTERS_TTL_S`.
"""
COUNTERS_TTL_S = 30 * 24 * 3600
OWNER = "all"
"""Whose jobs: one owner for now."""
MOST_JOB_EVENTS, MOST_ENDED_JOB_EVENTS = 64, 8
MOST_OWNER_EVENTS = 4096
"""Of the newest events, about this many are kept."""
OWNER_EVENTS_TTL_S = 24 * 3600
"""After the last event."""
WORKERS = f"{PREFIX}:workers"
"""Sorted set of workers that take work by their last sign of life, on the server's clock."""
WORKER_TTL_S = 10
IDEMPOTENCY_TTL_S = 24 * 3600
"""At most: a key is free again when its job has expired."""


JOB_HEAD = f"{PREFIX}:job:"
CHECKPOINTS_HEAD = f"{PREFIX}:job-checkpoints:"
JOB_EVENTS_HEAD = f"{PREFIX}:events-of-job:"
DETECTIONS_HEAD = f"{PREFIX}:detections:"
OWNERS_HEAD = f"{PREFIX}:owners-of-detections:"
"""What the keys of `job`, `job_checkpoints`, `job_events`, `detections` and `detections_owners` begin with.

For the script that goes through the jobs of a video.
"""


def job(job_id: str) -> str:
    """Hash: the state of a job."""
    return f"{JOB_HEAD}{job_id}"


def job_events(job_id: str) -> str:
    """Stream: the newest events of a job under their numbers; goes with the job."""
    return f"{JOB_EVENTS_HEAD}{job_id}"


def owner_events(owner: str) -> str:
    """Stream: the newest events of all jobs of an owner, see `events.py`."""
    return f"{PREFIX}:events:{owner}"


def job_checkpoints(job_id: str) -> str:
    """Set: the checkpoints that attempts at a job have reached."""
    return f"{CHECKPOINTS_HEAD}{job_id}"


def idempotency(key: str) -> str:
    """String: `job id|fingerprint` of the request that came with this Idempotency-Key."""
    return f"{PREFIX}:idempotency:{key}"


def video(video_id: str) -> str:
    """String: what is known of a video, JSON."""
    return f"{PREFIX}:video:{video_id}"


def deleted_video(video_id: str) -> str:
    """String: this video was deleted, and has not come back; no job of it is made."""
    return f"{PREFIX}:deleted:{video_id}"


def video_jobs(video_id: str) -> str:
    """Sorted set: the jobs of a video by the time when they expire, so that they end with it."""
    return f"{PREFIX}:jobs-of-video:{video_id}"


def detections(sha256: str) -> str:
    """String: the name of the file with these detections, below the blob store's root."""
    return f"{DETECTIONS_HEAD}{sha256}"


def detections_owners(sha256: str) -> str:
    """Sorted set: the jobs and requests that need the file, by the time until which they do."""
    return f"{OWNERS_HEAD}{sha256}"


def video_cache(video_id: str) -> str:
    """Hash: the cached stage results of a video, JSON by file name."""
    return f"{PREFIX}:video-cache:{video_id}"

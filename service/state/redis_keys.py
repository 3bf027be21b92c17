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
WORKER_TTL_S = 10
IDEMPOTENCY_TTL_S = 24 * 3600
"""Maximum; a key can be reused once its job has expired."""


def job(job_id: str) -> str:
    """Hash: the state of a job."""
    return f"{PREFIX}:job:{job_id}"


def job_checkpoints(job_id: str) -> str:
    """Set: checkpoints reached by attempts at a job."""
    return f"{PREFIX}:job-checkpoints:{job_id}"


def idempotency(key: str) -> str:
    """String: `job id|fingerprint` of the request with this Idempotency-Key."""
    return f"{PREFIX}:idempotency:{key}"


def video(video_id: str) -> str:
    """String: a video's properties as JSON."""
    return f"{PREFIX}:video:{video_id}"


def deleted_video(video_id: str) -> str:
    """String: this video was deleted."""
    return f"{PREFIX}:deleted:{video_id}"


def video_jobs(video_id: str) -> str:
    """Sorted set: jobs of a video by expiry time, so that they end with the video."""
    return f"{PREFIX}:jobs-of-video:{video_id}"


def video_cache(video_id: str) -> str:
    """Hash: cached stage results of a video, as JSON by file name."""
    return f"{PREFIX}:video-cache:{video_id}"


def worker(worker_id: str) -> str:
    """String: this worker is alive."""
    return f"{PREFIX}:worker:{worker_id}"


WORKERS = f"{PREFIX}:worker:*"

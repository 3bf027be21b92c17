"""Jobs in Redis: every change is one atomic script, fenced by the number of the attempt."""

import json
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any, cast

import structlog
from redis.asyncio import Redis

from dualtrack.errors import Conflict, DualtrackError, Gone, NotFound, Overloaded, Unavailable
from service.state import redis_keys
from service.state.artifact import FORMAT as ARTIFACT_FORMAT
from service.state.artifact import OF_JOB, ArtifactKey
from service.state.connection import script, translated
from service.state.events import EventReader, Follower
from service.state.job import (
    FORMAT,
    TERMINAL,
    Job,
    JobProgress,
    JobState,
    JobSummary,
    fields_of,
    parse,
    stored_parameters,
)

LOOK_AGAIN_S = 5.0
"""Interval at which a long poll reads its job even without an event, in seconds.

The job may have expired, and processes of earlier versions append no events.
"""
RETRY_AFTER_S = 5
log = structlog.get_logger()

Deliver = Callable[[str, str], Awaitable[None]]
"""Hands a job id (first) to the queue under a key (second) that makes repeated calls harmless."""


class JobStore:
    """All jobs.

    Args:
        redis: the connection (`decode_responses=True`).
        deliver: hands a job to the queue.
        max_queue: maximum number of waiting jobs.
        max_attempts: attempts without an end or a new checkpoint before a job fails.
        ttl_s: time to live of a job.
        lease_s: time after which a job without a heartbeat is redelivered by the queue (docket renews jobs of live
            workers), and after twice this time by `reconcile`.
    """

    def __init__(
        self, redis: Redis, deliver: Deliver, *, max_queue: int, max_attempts: int, ttl_s: int, lease_s: float
    ) -> None:
        self._redis, self._deliver = redis, deliver
        self._max_queue, self._max_attempts, self._ttl_s = max_queue, max_attempts, ttl_s
        # a dead worker's job is redelivered 3/4 to 5/4 of a lease after its death; heartbeats are far more frequent
        self._alive_s, self._silent_s = lease_s / 2, lease_s * 2
        self._scripts = {name: script(redis, name) for name in ("create", "begin", "update", "finish", "release")}
        self._cancel, self._events = script(redis, "cancel"), EventReader(redis)

    async def create(
        self,
        video_id: str,
        parameters: dict[str, Any],
        *,
        detections: str | None = None,
        idempotency_key: str | None = None,
        fingerprint: str = "",
        request_id: str = "",
    ) -> tuple[Job, bool]:
        """Create a job and hand it to the queue; returns the job and whether it is new.

        A created job is accepted even if the queue can't be reached. The log lines of its attempts have `request_id`.

        Raises:
            InvalidParameter: the parameters are too large.
            Overloaded: as many jobs wait as may.
            Conflict: the idempotency key came with another request before.
            Gone: the video was deleted.
            NotFound: no file of detections has the id.
            NewerFormat: the job that the idempotency key stands for is of a newer format.
            Unavailable: Redis can't be reached; the call may be repeated.
        """
        job_id, text = uuid.uuid4().hex, stored_parameters(parameters)
        mark = (fingerprint or "-") if idempotency_key else ""
        with translated():
            answer, stored = await self._scripts["create"](
                keys=[
                    *keys_of_job(job_id),
                    redis_keys.idempotency(idempotency_key or job_id),
                    redis_keys.QUEUED,
                    redis_keys.video_jobs(video_id),
                    redis_keys.deleted_video(video_id),
                    redis_keys.detections(detections or ""),
                    redis_keys.detections_owners(detections or ""),
                ],
                args=[
                    job_id,
                    video_id,
                    text,
                    time.time(),
                    self._max_queue,
                    self._ttl_s,
                    mark,
                    min(redis_keys.IDEMPOTENCY_TTL_S, self._ttl_s),
                    detections or "",
                    FORMAT,
                    request_id,
                ],
            )
            if answer == "full":
                raise Overloaded(f"queue: full, {self._max_queue} jobs are waiting", retry_after_s=RETRY_AFTER_S)
            if answer == "gone":
                raise Gone(f"video {video_id}: deleted", code="video-deleted")
            if answer == "no-detections":
                raise NotFound(f"detections: no file has the id {detections!r}", code="unknown-detections")
            if answer == "reused":
                raise Conflict("idempotency key: already used with a different request", code="idempotency-key-reused")
            job = parse(fields_of(stored))
            if job.state is JobState.QUEUED:
                # for a known job as well: the first try may have died between the two steps
                await self._hand_over(job.id, job.attempt)
        return job, answer == "created"

    async def get(self, job_id: str) -> Job:
        """The job.

        Raises:
            NotFound: the job does not exist or has expired.
            Gone: its video was deleted.
            NewerFormat: it has a newer format.
        """
        with translated():
            fields = cast("dict[str, str]", await self._redis.hgetall(redis_keys.job(job_id)))
        return _found(job_id, fields)

    async def wait(self, job_id: str, seconds: float, *, version: int | None = None) -> Job:
        """The job once it has ended, or differs from `version` if given, or after `seconds`.

        With `version`, a job whose artifacts have not ended is waited for as one that has not ended itself.
        """
        deadline = time.monotonic() + seconds
        async with self._events.follow(job_id) as events:
            while True:
                job = await self.get(job_id)
                changed = version is not None and job.version != version
                over = job.state in TERMINAL and (version is None or not job.open_artifacts)
                if over or changed or time.monotonic() >= deadline:
                    return job
                await _change(events, version is None, deadline)

    async def close(self) -> None:
        """Stop reading events."""
        await self._events.close()

    async def cancel(self, job_id: str) -> Job:
        """End a waiting job or request a running one to stop; ended ones are unchanged. Raises like `get`."""
        with translated():
            answer = await self._cancel(
                keys=[*keys_of_job(job_id), redis_keys.QUEUED, redis_keys.COUNTERS],
                args=[job_id, time.time(), redis_keys.COUNTERS_TTL_S, FORMAT],
            )
        return _found(job_id, fields_of(answer))

    async def counts(self) -> dict[str, int]:
        """Number of waiting and running jobs."""
        with translated():
            queued, running = await self._redis.zcard(redis_keys.QUEUED), await self._redis.zcard(redis_keys.RUNNING)
        return {"queued": int(queued), "running": int(running)}

    async def oldest_queued_s(self) -> float:
        """Waiting time of the oldest waiting job in seconds; 0 if there are none."""
        with translated():
            oldest = await self._redis.zrange(redis_keys.QUEUED, 0, 0, withscores=True)
        return max(time.time() - float(oldest[0][1]), 0.0) if oldest else 0.0

    async def begin(self, job_id: str, *, holder: str = "") -> Job | None:
        """Start an attempt; None if there is nothing to do.

        There is nothing to do if the job has ended, has expired, was canceled, has no attempts left, or is held by a
        live attempt.

        Args:
            job_id: of the job.
            holder: identifies this call; a repeated call with the same value gets the same attempt.

        Raises:
            NewerFormat: the job has a newer format; it keeps waiting for a worker of a newer version.
        """
        keys_ = [*keys_of_job(job_id), redis_keys.QUEUED, redis_keys.RUNNING, redis_keys.COUNTERS]
        error = self._exhausted("the worker died")
        with translated():
            answer = await self._scripts["begin"](
                keys=keys_,
                args=[
                    job_id,
                    time.time(),
                    holder or uuid.uuid4().hex,
                    self._alive_s,
                    self._max_attempts,
                    error,
                    redis_keys.COUNTERS_TTL_S,
                    FORMAT,
                ],
            )
        return parse(fields_of(answer)) if answer else None

    async def progress(
        self, job_id: str, attempt: int, progress: JobProgress | None, checkpoints: Sequence[str] = ()
    ) -> str:
        """Heartbeat of an attempt; `ok`, `cancel` (stop) or `lost` (another attempt holds the job).

        Args:
            job_id: of the job.
            attempt: number of the attempt.
            progress: of the attempt.
            checkpoints: keys of the checkpoints that it has reached; if one was not reached by any attempt before, a
                failure of this attempt does not count.
        """
        text = "" if progress is None else json.dumps(asdict(progress))
        with translated():
            answer: str = await self._scripts["update"](
                keys=[*keys_of_job(job_id), redis_keys.RUNNING],
                args=[job_id, attempt, text, *checkpoints],
            )
        return answer

    async def commit(
        self,
        job_id: str,
        attempt: int,
        result: str,
        artifacts: Sequence[ArtifactKey] = (),
        *,
        summary: JobSummary | None = None,
    ) -> bool:
        """The job is done; False if another attempt holds it (its result counts, not this one), or it was canceled.

        A cancel that came before ends the job as canceled, and so does the deletion of its video.

        Args:
            job_id: of the job.
            attempt: number of the attempt.
            result: folder of the result below the blob store's root.
            artifacts: to create together with the commit; they wait until `ArtifactStore.hand_over` delivers them.
            summary: of the result.
        """
        text = "" if summary is None else json.dumps(asdict(summary))
        return await self._finish(job_id, attempt, JobState.DONE, "result", result, artifacts=artifacts, summary=text)

    async def fail(self, job_id: str, attempt: int, error: dict[str, str]) -> bool:
        """The job has failed for good; False as for `commit`."""
        return await self._finish(job_id, attempt, JobState.FAILED, "error", json.dumps(error), error["code"])

    async def confirm_cancel(self, job_id: str, attempt: int) -> bool:
        """Mark the job as canceled after the attempt has stopped."""
        return await self._finish(job_id, attempt, JobState.CANCELED, "", "")

    async def release(self, job_id: str, attempt: int, failure: DualtrackError | None = None) -> bool:
        """End an attempt without a result; the job is redelivered unless it has no attempts left.

        Args:
            job_id: of the job.
            attempt: number of the attempt.
            failure: the error; None if the worker is shutting down, which does not count as a failure.

        Returns:
            False if another attempt holds the job, or it has ended with a result.
        """
        with translated():
            state = await self._scripts["release"](
                keys=[*keys_of_job(job_id), redis_keys.QUEUED, redis_keys.RUNNING, redis_keys.COUNTERS],
                args=[
                    job_id,
                    attempt,
                    time.time(),
                    "" if failure is None else failure.code,
                    self._max_attempts,
                    self._exhausted("" if failure is None else f"{failure.code}: {failure.detail}"),
                    redis_keys.COUNTERS_TTL_S,
                ],
            )
            if state == JobState.QUEUED:
                await self._hand_over(job_id, attempt)
        return state not in {"lost", JobState.DONE}

    async def reconcile(self) -> list[str]:
        """Redeliver jobs that have been waiting, or without a heartbeat, for two leases.

        This complements the queue's redelivery. Delivering twice is harmless: the queue drops entries with a known key,
        and only one attempt can end a job.
        """
        with translated():
            latest = (await self._redis.time())[0] - self._silent_s
            waiting = cast("list[str]", await self._redis.zrangebyscore(redis_keys.QUEUED, 0, latest))
            silent = cast("list[str]", await self._redis.zrangebyscore(redis_keys.RUNNING, 0, latest))
            for job_id in (*waiting, *silent):
                attempt = cast("str | None", await self._redis.hget(redis_keys.job(job_id), "attempt"))
                await self._deliver(job_id, f"{job_id}:{attempt or 0}")
        return [*waiting, *silent]

    async def _hand_over(self, job_id: str, attempt: int) -> None:
        """Hand a waiting job to the queue. If this fails, `reconcile` does it later."""
        try:
            with translated():
                await self._deliver(job_id, f"{job_id}:{attempt}")
        except Unavailable as error:
            log.warning("job waits for its next delivery", job=job_id, code=error.code, reason=error.detail)

    def _exhausted(self, last: str) -> str:
        detail = f"job: {self._max_attempts} attempts ended without a result or a new checkpoint; the last: {last}"
        return json.dumps({"code": "too-many-attempts", "detail": detail})

    async def _finish(
        self,
        job_id: str,
        attempt: int,
        state: JobState,
        field: str,
        value: str,
        code: str = "",
        artifacts: Sequence[ArtifactKey] = (),
        summary: str = "",
    ) -> bool:
        of_job = redis_keys.artifacts_of(f"{OF_JOB}:{job_id}")
        records = [redis_keys.artifact(each.name) for each in artifacts]
        wanted: list[str] = [text for each in artifacts for text in (each.name, each.kind, each.options_text)]
        counters, ttl_s = redis_keys.COUNTERS, redis_keys.COUNTERS_TTL_S
        keys = [*keys_of_job(job_id), redis_keys.RUNNING, counters, of_job, redis_keys.ARTIFACTS_WAITING, *records]
        args: list[str | float] = [
            job_id,
            attempt,
            state,
            time.time(),
            field,
            value,
            code,
            ttl_s,
            ARTIFACT_FORMAT,
            summary,
            *wanted,
        ]
        with translated():
            held = await self._scripts["finish"](keys=keys, args=args)
        return bool(held)


async def _change(events: Follower, only_last: bool, deadline: float) -> None:
    """Wait until the job has changed or ended, events may have been missed, or the interval is over."""
    look = min(deadline, time.monotonic() + LOOK_AGAIN_S)
    while (left := look - time.monotonic()) > 0:
        event = await events.next(left)
        if event is None or event.last or not only_last:
            return


def keys_of_job(job_id: str) -> tuple[str, str, str, str]:
    """The first keys of every script that changes a job: the job, its checkpoints, its events, its owner's events."""
    return (
        redis_keys.job(job_id),
        redis_keys.job_checkpoints(job_id),
        redis_keys.job_events(job_id),
        redis_keys.owner_events(redis_keys.OWNER),
    )


def _found(job_id: str, fields: dict[str, str]) -> Job:
    if not fields:
        raise NotFound(f"job: no job has the id {job_id!r}", code="unknown-job")
    job = parse(fields)
    if job.video_deleted:
        raise Gone(f"job {job_id}: its video was deleted", code="video-deleted")
    return job

"""Jobs: their state in Redis, every change in one script, fenced by the number of the attempt."""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any, cast

from redis.asyncio import Redis

from service.errors import Conflict, Gone, NotFound, Overloaded
from service.state import keys
from service.state.connection import translated

POLL_S = 0.1
"""How often a long poll looks; a look is one HGETALL of a small hash."""
RETRY_AFTER_S = 5

Deliver = Callable[[str, str], Awaitable[None]]
"""Hands job id (first) to the queue under a key (second) that makes repeats harmless."""


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"  # waits for a worker
    RUNNING = "running"  # an attempt holds it
    DONE = "done"  # its result is there
    FAILED = "failed"  # will not be tried again; `error` says why
    CANCELED = "canceled"  # on request


TERMINAL = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELED})


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is: stage, steps of it, share of the whole job 0..1, frames per second, seconds to go."""

    stage: str
    done: int
    total: int
    fraction: float
    rate: float | None
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class Job:
    """One job as stored.

    Attributes:
        attempt: number of the attempt that holds or held it; the fencing token.
        result: folder of the result below the blob store's root.
        version: grows with every change.
    """

    id: str
    video_id: str
    parameters: dict[str, Any]
    state: JobState
    attempt: int
    progress: JobProgress | None
    error: dict[str, str] | None
    result: str | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    cancel_requested: bool
    version: int


class JobStore:
    """All jobs.

    Args:
        redis: the connection (`decode_responses=True`).
        deliver: hands a job to the queue.
        max_queue: most waiting jobs.
        max_attempts: attempts before a job fails.
        ttl_s: how long a job is kept.
    """

    def __init__(self, redis: Redis, deliver: Deliver, *, max_queue: int, max_attempts: int, ttl_s: int) -> None:
        self._redis, self._deliver = redis, deliver
        self._max_queue, self._max_attempts, self._ttl_s = max_queue, max_attempts, ttl_s
        folder = files("service.state") / "lua"
        self._scripts = {
            name: redis.register_script((folder / f"{name}.lua").read_text())
            for name in ("create", "begin", "update", "finish", "cancel")
        }

    async def create(
        self,
        video_id: str,
        parameters: dict[str, Any],
        *,
        idempotency_key: str | None = None,
        fingerprint: str = "",
    ) -> tuple[Job, bool]:
        """Make a job and hand it to the queue; the job and whether it is new.

        Raises:
            Overloaded: as many jobs wait as may.
            Conflict: the idempotency key came with another request before.
            Unavailable: Redis can't be reached; the call may be repeated.
        """
        job_id = uuid.uuid4().hex
        mark = (fingerprint or "-") if idempotency_key else ""
        with translated():
            answer, known = await self._scripts["create"](
                keys=[keys.job(job_id), keys.idempotency(idempotency_key or job_id), keys.QUEUED],
                args=[
                    job_id,
                    video_id,
                    json.dumps(parameters),
                    time.time(),
                    self._max_queue,
                    self._ttl_s,
                    mark,
                    keys.IDEMPOTENCY_TTL_S,
                ],
            )
            if answer == "full":
                raise Overloaded(f"queue: {self._max_queue} jobs wait already", retry_after_s=RETRY_AFTER_S)
            if answer == "reused":
                raise Conflict("idempotency key: it came with another request before", code="idempotency-key-reused")
            # again for a known job: the first try may have died between the two steps
            await self._deliver(known, known)
        return await self.get(known), answer == "created"

    async def get(self, job_id: str) -> Job:
        """The job.

        Raises:
            NotFound: no such job, or it has expired.
            Gone: its video was deleted.
        """
        with translated():
            fields = cast("dict[str, str]", await self._redis.hgetall(keys.job(job_id)))
            if not fields:
                raise NotFound(f"job: no job has the id {job_id!r}", code="unknown-job")
            if await self._redis.exists(keys.deleted_video(fields["video_id"])):
                raise Gone(f"job {job_id}: its video was deleted", code="video-deleted")
        return _job(fields)

    async def wait(self, job_id: str, seconds: float, *, version: int | None = None) -> Job:
        """The job when it has ended, or differs from `version` if that is given, or after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            job = await self.get(job_id)
            changed = version is not None and job.version != version
            if job.state in TERMINAL or changed or time.monotonic() >= deadline:
                return job
            await asyncio.sleep(min(POLL_S, max(deadline - time.monotonic(), 0)))

    async def cancel(self, job_id: str) -> Job:
        """End a waiting job, tell a running one to stop; one that has ended stays as it is."""
        with translated():
            found = await self._scripts["cancel"](keys=[keys.job(job_id), keys.QUEUED], args=[job_id, time.time()])
        if not found:
            raise NotFound(f"job: no job has the id {job_id!r}", code="unknown-job")
        return await self.get(job_id)

    async def counts(self) -> dict[str, int]:
        """Number of waiting and running jobs."""
        with translated():
            queued, running = await self._redis.zcard(keys.QUEUED), await self._redis.zcard(keys.RUNNING)
        return {"queued": int(queued), "running": int(running)}

    async def begin(self, job_id: str) -> Job | None:
        """Start an attempt; None if there is nothing to do (ended, cancelled, expired, out of attempts)."""
        error = {
            "code": "too-many-attempts",
            "detail": f"job: {self._max_attempts} attempts ended without a result",
        }
        with translated():
            attempt = await self._scripts["begin"](
                keys=[keys.job(job_id), keys.QUEUED, keys.RUNNING],
                args=[job_id, time.time(), self._max_attempts, json.dumps(error)],
            )
        return await self.get(job_id) if attempt else None

    async def progress(self, job_id: str, attempt: int, progress: JobProgress | None) -> str:
        """Sign of life of an attempt; `ok`, `cancel` (stop!) or `lost` (another attempt holds the job)."""
        text = "" if progress is None else json.dumps(asdict(progress))
        with translated():
            answer: str = await self._scripts["update"](
                keys=[keys.job(job_id), keys.RUNNING], args=[job_id, attempt, time.time(), text]
            )
        return answer

    async def commit(self, job_id: str, attempt: int, result: str) -> bool:
        """The job is done; False if another attempt holds it (its result counts, not this one)."""
        return await self._finish(job_id, attempt, JobState.DONE, "result", result)

    async def fail(self, job_id: str, attempt: int, error: dict[str, str]) -> bool:
        """The job has failed for good."""
        return await self._finish(job_id, attempt, JobState.FAILED, "error", json.dumps(error))

    async def canceled(self, job_id: str, attempt: int) -> bool:
        """The attempt has stopped on request."""
        return await self._finish(job_id, attempt, JobState.CANCELED, "", "")

    async def give_back(self, job_id: str, attempt: int) -> None:
        """The attempt ends because its worker stops; another worker may take the job at once."""
        if await self._finish(job_id, attempt, JobState.QUEUED, "", ""):
            with translated():
                await self._deliver(job_id, f"{job_id}:{uuid.uuid4().hex}")

    async def retry(self, job_id: str) -> None:
        """Hand a job to the queue again after an attempt that died."""
        with translated():
            await self._deliver(job_id, f"{job_id}:{uuid.uuid4().hex}")

    async def reconcile(self, silent_s: float) -> list[str]:
        """Deliver again what has shown no sign of life for `silent_s`.

        The queue's own redelivery is the first net, this is the second. Two deliveries are harmless: only one
        attempt can end a job.
        """
        with translated():
            latest = time.time() - silent_s
            found: list[str] = []
            for key in (keys.QUEUED, keys.RUNNING):
                found += cast("list[str]", await self._redis.zrangebyscore(key, 0, latest))
            for job_id in found:
                await self._deliver(job_id, f"{job_id}:{int(time.time() // max(silent_s, 1))}")
        return found

    async def _finish(self, job_id: str, attempt: int, state: JobState, field: str, value: str) -> bool:
        with translated():
            held = await self._scripts["finish"](
                keys=[keys.job(job_id), keys.RUNNING], args=[job_id, attempt, state, time.time(), field, value]
            )
        return bool(held)


def _job(fields: dict[str, str]) -> Job:
    def number(name: str) -> float | None:
        return float(fields[name]) if name in fields else None

    progress = JobProgress(**json.loads(fields["progress"])) if "progress" in fields else None
    return Job(
        id=fields["id"],
        video_id=fields["video_id"],
        parameters=json.loads(fields["parameters"]),
        state=JobState(fields["state"]),
        attempt=int(fields["attempt"]),
        progress=progress,
        error=json.loads(fields["error"]) if "error" in fields else None,
        result=fields.get("result"),
        created_at=float(fields["created_at"]),
        started_at=number("started_at"),
        finished_at=number("finished_at"),
        cancel_requested=fields.get("cancel") == "1",
        version=int(fields["version"]),
    )

"""One job from the queue: begin, engine, commit. What the worker runs for every delivery."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import structlog

from dualtrack.errors import Canceled, DualtrackError, JobFailed, NewerFormat, Unavailable
from service.pipeline.run import STAGES, StageProgress
from service.pipeline.store.cache import CacheNote
from service.processes.heartbeat import heartbeat
from service.state.blobs import BlobStore
from service.state.cache_index import CacheIndex
from service.state.counters import Counters
from service.state.job import Job, JobProgress
from service.state.jobs import JobStore
from service.worker.engine import EngineHandle

log = structlog.get_logger()
T = TypeVar("T")

BEAT_S = 0.25
"""How often progress goes to Redis and a wish to cancel is looked for."""
RETRY_S = 1.0
FAULT = DualtrackError("worker: it failed on this job; its log says how")
"""What a job is told of a fault that no other error names."""
SHARES = {"decode": 0.04, "detect": 0.36, "calibrate": 0.0, "track": 0.5, "merge": 0.0, "render": 0.1}
"""Share of each stage in a job of common length: what `fraction` and the ETA are reckoned with."""
PER_SEGMENT = STAGES[STAGES.index("detect") : STAGES.index("render")]


@dataclass
class ProgressMeter:
    """Turns steps into progress: share of the whole job, rate, time to go.

    Attributes:
        seconds: what each stage has taken so far. The time before a step belongs to the step's stage, so that they
            add up to the time from the start to the last step.
    """

    started: float
    stage: str = ""
    stage_started: float = 0.0
    stage_first: int = 0
    latest: JobProgress | None = field(default=None)
    seconds: dict[str, float] = field(default_factory=dict)

    def step(self, progress: StageProgress, now: float) -> None:
        """Take in a step; `now` in seconds of any steady clock."""
        if progress.stage != self.stage:
            # of a second chunk the stage does not begin with frame 0
            first = round(progress.begun * progress.total)
            self.stage, self.stage_started, self.stage_first = progress.stage, now, first
        earlier = self.started + sum(self.seconds.values())
        self.seconds[progress.stage] = self.seconds.get(progress.stage, 0.0) + now - earlier
        # a known video is decoded late, when tracking wants its frames
        fraction = max(_fraction(progress), self.latest.fraction if self.latest is not None else 0.0)
        spent, elapsed = now - self.stage_started, now - self.started
        rate = (progress.done - self.stage_first) / spent if spent > 0.2 else None
        eta = elapsed * (1 - fraction) / fraction if fraction > 0.02 else None
        self.latest = JobProgress(
            stage=progress.stage,
            done=progress.done,
            total=progress.total,
            fraction=round(fraction, 4),
            rate=None if rate is None else round(rate, 2),
            eta_s=None if eta is None else round(eta, 1),
        )

    def end(self) -> None:
        """The job is done, whatever its last step was."""
        if self.latest is not None:
            self.latest = replace(self.latest, done=self.latest.total, fraction=1.0, eta_s=0.0)


def _fraction(progress: StageProgress) -> float:
    """Share of the whole job that is done: a chunk's stages follow each other within the chunk's share."""
    share = progress.done / progress.total if progress.total else 1.0
    before = sum(SHARES[name] for name in STAGES[: STAGES.index(progress.stage)])
    if progress.stage not in PER_SEGMENT:
        return min(before + SHARES[progress.stage] * share, 1.0)
    own = (share - progress.begun) / progress.share if progress.share else 1.0
    start = SHARES["decode"]
    done = before - start + SHARES[progress.stage] * min(max(own, 0.0), 1.0)
    return start + progress.begun * sum(SHARES[name] for name in PER_SEGMENT) + progress.share * done


@dataclass(frozen=True)
class Attempt:
    """An attempt under way: what its heartbeat tells the state, and what it learns from it.

    Attributes:
        job: as it was begun.
        meter: how far it is.
        checkpoints: keys of those that it has reached and that the state does not know of yet.
        canceled: it is to stop.
    """

    job: Job
    meter: ProgressMeter
    checkpoints: set[str] = field(default_factory=set)
    canceled: asyncio.Event = field(default_factory=asyncio.Event)


class JobRunner:
    """Runs deliveries on one engine.

    Args:
        jobs: the state.
        blobs: videos and results.
        cache: index of what earlier runs left.
        engine: where jobs run.
        counters: what is counted over all workers.
    """

    def __init__(
        self, jobs: JobStore, blobs: BlobStore, cache: CacheIndex, engine: EngineHandle, counters: Counters
    ) -> None:
        self._jobs, self._blobs, self._cache, self._engine, self._counters = jobs, blobs, cache, engine, counters

    async def run(self, job_id: str) -> None:
        """Take one delivery to its end; one that is not for this worker (`begin`) is left alone."""
        holder = uuid.uuid4().hex
        try:
            job = await _insist(lambda: self._jobs.begin(job_id, holder=holder))
        except NewerFormat as error:
            log.warning("job left to a newer version", job=job_id, why=error.detail)
            return
        if job is None:
            return
        log.info("job started", job=job.id, attempt=job.attempt)
        attempt = Attempt(job, ProgressMeter(time.monotonic()))
        try:
            async with heartbeat(lambda: self._beat(attempt), BEAT_S):
                await self._attempt(attempt)
        except asyncio.CancelledError:
            # the worker stops; the job may be ended already, with the answer under way
            with contextlib.suppress(Unavailable):
                if await self._jobs.release(job.id, job.attempt):
                    await self._blobs.remove_result(job.id, job.attempt)
            raise
        except Exception:
            # a fault of the worker itself: not raised, for the queue knows nothing of attempts
            log.exception("attempt failed", job=job.id, attempt=job.attempt, code=FAULT.code)
            await asyncio.sleep(RETRY_S)
            # released first: a job that was done before the fault keeps its result
            if await _insist(lambda: self._jobs.release(job.id, job.attempt, FAULT)):
                await self._blobs.remove_result(job.id, job.attempt)

    async def _attempt(self, attempt: Attempt) -> None:
        try:
            await self._compute(attempt)
        except Canceled:
            await self._canceled(attempt.job)
        except DualtrackError as error:
            await self._beat(attempt)
            await self._failed(attempt.job, error)
        else:
            attempt.meter.end()
            await self._beat(attempt)
            await self._commit(attempt.job, attempt.meter)

    async def _compute(self, attempt: Attempt) -> None:
        job = attempt.job
        if not self._blobs.keep(job.video_id):
            raise JobFailed("video: it was deleted", code="video-deleted", final=True)
        out = self._blobs.result_folder(job.id, job.attempt)
        # a video's id is its content's sha256
        work: dict[str, Any] = {
            "video": str(self._blobs.path(job.video_id)),
            "sha256": job.video_id,
            "out": str(out),
            "parameters": job.parameters,
        }
        if job.detections is not None:
            if not self._blobs.keep(job.detections):
                raise JobFailed("detections: the file was deleted", code="detections-deleted", final=True)
            work |= {"detections": str(self._blobs.path(job.detections)), "counted_ids": job.format == 0}
        notes: list[CacheNote] = []

        def note(cached: CacheNote) -> None:
            notes.append(cached)
            if cached.checkpoint:
                attempt.checkpoints.add(cached.key)

        def report(step: StageProgress) -> None:
            attempt.meter.step(step, time.monotonic())

        try:
            await self._engine.run(work, report, note, attempt.canceled)
        finally:
            await self._index(job.video_id, notes)

    async def _index(self, video_id: str, notes: list[CacheNote]) -> None:
        """Write down what the attempt used of the cache. An index that misses something never fails a job."""
        with contextlib.suppress(Unavailable):
            # of several notes of one key the last says it
            for note in {note.key: note for note in notes}.values():
                await self._cache.note(note.key, note.size_bytes)
            if not self._blobs.keep(video_id):
                # deleted while the job ran, which may have cached something after that
                await self._cache.forget(video_id)

    async def _commit(self, job: Job, meter: ProgressMeter) -> None:
        folder = self._blobs.result_folder(job.id, job.attempt).relative_to(self._blobs.root)
        if await _insist(lambda: self._jobs.commit(job.id, job.attempt, str(folder))):
            await self._blobs.remove_results(job.id, keep=job.attempt)
            with contextlib.suppress(Unavailable):
                await self._counters.observe(meter.seconds)
            log.info("job done", job=job.id, attempt=job.attempt)
        else:
            # another attempt took the job over: its result counts
            await self._blobs.remove_result(job.id, job.attempt)
            log.warning("result dropped", job=job.id, attempt=job.attempt)

    async def _canceled(self, job: Job) -> None:
        await self._blobs.remove_result(job.id, job.attempt)
        if await _insist(lambda: self._jobs.canceled(job.id, job.attempt)):
            await self._blobs.remove_results(job.id)
        log.info("job cancelled", job=job.id, attempt=job.attempt)

    async def _failed(self, job: Job, error: DualtrackError) -> None:
        log.warning("attempt failed", job=job.id, attempt=job.attempt, code=error.code, detail=error.detail)
        await self._blobs.remove_result(job.id, job.attempt)
        if isinstance(error, JobFailed) and error.final:
            described = {"code": error.code, "detail": error.detail}
            await _insist(lambda: self._jobs.fail(job.id, job.attempt, described))
        else:
            await asyncio.sleep(RETRY_S)
            await _insist(lambda: self._jobs.release(job.id, job.attempt, error))

    async def _beat(self, attempt: Attempt) -> None:
        """Progress to Redis; the answer says whether to stop. Without Redis the job goes on."""
        job, reached = attempt.job, list(attempt.checkpoints)
        with contextlib.suppress(Unavailable):
            if await self._jobs.progress(job.id, job.attempt, attempt.meter.latest, reached) != "ok":
                attempt.canceled.set()
            attempt.checkpoints.difference_update(reached)


async def _insist(act: Callable[[], Awaitable[T]]) -> T:
    """Repeat `act` until Redis answers: a finished job must not be lost because Redis is away for a while."""
    while True:
        try:
            return await act()
        except Unavailable:
            await asyncio.sleep(RETRY_S)

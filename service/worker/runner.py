"""Runs one job per delivery from the queue: begin an attempt, run the engine, commit the result."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import structlog

from dualtrack import protocol
from dualtrack.engine.handle import EngineHandle
from dualtrack.errors import (
    Canceled,
    DualtrackError,
    Gone,
    InvalidParameter,
    JobFailed,
    NewerFormat,
    NotFound,
    Unavailable,
)
from dualtrack.formats.table import FILES, ResultFormat
from dualtrack.result.file import ResultFile
from service.artifacts import overlay
from service.media.video_info import VideoInfo
from service.pipeline.parameters.job_parameters import parse_stored
from service.pipeline.progress import StageProgress
from service.processes.heartbeat import heartbeat
from service.state.artifact import OF_JOB, ArtifactKey
from service.state.artifacts import ArtifactStore
from service.state.blobs import BlobStore, first_name
from service.state.cache_index import CacheIndex
from service.state.connection import REFUSED
from service.state.counters import Counters
from service.state.detections import DetectionsStore
from service.state.job import Job, JobSummary
from service.state.jobs import JobStore
from service.state.videos import VideoStore
from service.worker.meter import UNKNOWN, Plan, ProgressMeter, plan_of

log = structlog.get_logger()
T = TypeVar("T")

PROGRESS_S = 0.25
"""Interval at which progress is sent to Redis and a cancel is checked, in seconds."""
RETRY_S = 1.0
LOG_EVERY, MOST_REFUSALS = 30, 30
"""Attempts between two log lines, and maximum number of rejected operations (missing permission, wrong type of key)."""
FAULT = DualtrackError("worker: it failed on this job; its log says why")
"""The error of a job after an unexpected fault of the worker."""


@dataclass
class Attempt:
    """A running attempt, as its heartbeat reports it to the state.

    Attributes:
        job: the job as it was when the attempt began.
        meter: progress of the attempt.
        checkpoints: keys of the checkpoints that were reached and not yet reported.
        stop: set if the job was canceled or another attempt has taken it over.
    """

    job: Job
    meter: ProgressMeter
    checkpoints: set[str] = field(default_factory=set)
    stop: asyncio.Event = field(default_factory=asyncio.Event)


class JobRunner:
    """Runs deliveries on one engine.

    Args:
        jobs: the state.
        videos: what is known of each, and their files.
        detections: files of detections.
        blobs: results.
        cache: index of what earlier runs left.
        engine: where jobs run.
        counters: what is counted over all workers.
        artifacts: what is derived from results.
        wake: called after a commit that has created an artifact, which this worker can make beside the next job.
    """

    def __init__(  # noqa: PLR0913, PLR0917 (what a job touches)
        self,
        jobs: JobStore,
        videos: VideoStore,
        detections: DetectionsStore,
        blobs: BlobStore,
        cache: CacheIndex,
        engine: EngineHandle,
        counters: Counters,
        artifacts: ArtifactStore,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._artifacts, self._wake = artifacts, wake
        self._jobs, self._videos, self._detections, self._blobs = jobs, videos, detections, blobs
        self._cache, self._engine, self._counters = cache, engine, counters
        self._delivery: asyncio.Task[Any] | None = None
        self._gives_back = False

    async def run(self, job_id: str) -> None:
        """Handle one delivery; does nothing if `begin` returns no job."""
        if self._gives_back:
            # not acknowledged, so that the queue delivers it to another worker
            raise asyncio.CancelledError
        self._delivery = asyncio.current_task()
        try:
            await self._deliver(job_id)
        finally:
            self._delivery = None

    def give_back(self) -> None:
        """The worker stops: release the running job to another worker, and begin no other."""
        if not self._gives_back and self._delivery is not None:
            self._delivery.cancel()
        self._gives_back = True

    async def _deliver(self, job_id: str) -> None:
        holder = uuid.uuid4().hex
        try:
            job = await until_redis_responds(lambda: self._jobs.begin(job_id, holder=holder))
        except NewerFormat as error:
            log.warning("job left to a newer version", job=job_id, reason=error.detail)
            return
        if job is None:
            return
        with structlog.contextvars.bound_contextvars(**({"request_id": job.request_id} if job.request_id else {})):
            await self._run(job)

    async def _run(self, job: Job) -> None:
        log.info("job started", job=job.id, attempt=job.attempt)
        attempt = Attempt(job, ProgressMeter(time.monotonic()))
        try:
            attempt.meter.plan = await self._plan(job)
            async with heartbeat(lambda: self._beat(attempt), PROGRESS_S):
                await self._attempt(attempt)
        except asyncio.CancelledError:
            # the worker stops; the job may already have ended, even if the response of Redis has not arrived
            with contextlib.suppress(Unavailable):
                if await self._jobs.release(job.id, job.attempt):
                    await self._blobs.remove_result(job.id, job.attempt)
            raise
        except Exception:
            # an error in the worker itself: not raised, because the queue does not count attempts
            log.exception("attempt failed", job=job.id, attempt=job.attempt, code=FAULT.code)
            await asyncio.sleep(RETRY_S)
            # released first: a job that was done before the fault keeps its result
            if await until_redis_responds(lambda: self._jobs.release(job.id, job.attempt, FAULT)):
                await self._blobs.remove_result(job.id, job.attempt)

    async def _plan(self, job: Job) -> Plan:
        """The expected work and time of the job; if they can't be determined, `UNKNOWN`."""
        try:
            video, counts = await self._videos.get(job.video_id), await self._counters.read()
            return plan_of(VideoInfo.from_json(video.info), parse_stored(job.parameters), counts.work)
        except (Unavailable, NotFound, InvalidParameter, TypeError, ValueError) as error:
            log.info("expected time unknown", job=job.id, reason=str(error))
            return UNKNOWN

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
        video, detections = await until_redis_responds(lambda: self._inputs(job))
        out = self._blobs.result_folder(job.id, job.attempt)
        # a video's id is its content's sha256
        work: dict[str, Any] = {
            "video": str(video),
            "sha256": job.video_id,
            "out": str(out),
            "parameters": job.parameters,
        }
        if detections is not None:
            work |= {"detections": str(detections), "counted_ids": job.format == 0}
        notes: list[protocol.Cached] = []

        def note(cached: protocol.Cached) -> None:
            notes.append(cached)
            if cached.checkpoint:
                attempt.checkpoints.add(cached.key)

        def report(step: protocol.Step) -> None:
            attempt.meter.step(StageProgress(step.stage, step.done, step.total), time.monotonic())

        try:
            await self._engine.run(work, report, note, attempt.stop)
        finally:
            await self._index(job.video_id, notes)

    async def _inputs(self, job: Job) -> tuple[Path, Path | None]:
        """Paths of the job's video, and of its detections file if there is one.

        Raises:
            JobFailed: one was deleted.
        """
        try:
            video = self._videos.path(await self._videos.get(job.video_id))
        except NotFound as error:
            raise JobFailed("video: it was deleted", code="video-deleted", final=True) from error
        if job.detections is None:
            return video, None
        try:
            return video, await self._given(job.detections, job.format)
        except NotFound as error:
            raise JobFailed("detections: the file was deleted", code="detections-deleted", final=True) from error

    async def _given(self, sha256: str, number: int) -> Path:
        """Path of the detections file of a job with format `number`."""
        if number < 2 and self._blobs.touch(first_name(sha256)):
            return self._blobs.path(first_name(sha256))
        return await self._detections.path(sha256)

    async def _index(self, video_id: str, notes: list[protocol.Cached]) -> None:
        """Record the cache files of the attempt; without Redis the index stays incomplete, and the job continues."""
        with contextlib.suppress(Unavailable):
            # the last note of a key counts
            for note in {note.key: note for note in notes}.values():
                await self._cache.note(note.key, note.size_bytes)
            try:
                await self._videos.get(video_id)
            except NotFound:
                # deleted while the job ran, which may have cached something after that
                await self._cache.forget(video_id)

    async def _commit(self, job: Job, meter: ProgressMeter) -> None:
        folder, wanted = self._blobs.result_folder(job.id, job.attempt), artifacts_of(job)
        summary = await asyncio.to_thread(summary_of, folder)
        result = str(folder.relative_to(self._blobs.root))
        if not await until_redis_responds(
            lambda: self._jobs.commit(job.id, job.attempt, result, wanted, summary=summary)
        ):
            # canceled meanwhile, or another attempt took the job over, whose result counts
            await self._canceled(job)
            return
        self._wake()
        for key in wanted:
            await self._artifacts.hand_over(key.name)
        await self._blobs.remove_results(job.id, keep=job.attempt)
        with contextlib.suppress(Unavailable):
            await self._counters.observe(meter.seconds, meter.work)
        log.info("job done", job=job.id, attempt=job.attempt)
        await self._look_again(job)

    async def _look_again(self, job: Job) -> None:
        """Remove the result if the video was deleted meanwhile by a process that did not see this result."""
        try:
            await until_redis_responds(lambda: self._jobs.get(job.id))
        except (Gone, NotFound):
            await self._blobs.remove_results(job.id)
            log.info("result removed, its video was deleted", job=job.id, attempt=job.attempt)

    async def _canceled(self, job: Job) -> None:
        await self._blobs.remove_result(job.id, job.attempt)
        if await until_redis_responds(lambda: self._jobs.confirm_cancel(job.id, job.attempt)):
            await self._blobs.remove_results(job.id)
            log.info("job canceled", job=job.id, attempt=job.attempt)
        else:
            # another attempt took the job over, or it has ended or expired
            log.warning("attempt stopped, its result is dropped", job=job.id, attempt=job.attempt)

    async def _failed(self, job: Job, error: DualtrackError) -> None:
        log.warning("attempt failed", job=job.id, attempt=job.attempt, code=error.code, detail=error.detail)
        await self._blobs.remove_result(job.id, job.attempt)
        if isinstance(error, JobFailed) and error.final:
            described = {"code": error.code, "detail": error.detail}
            if not await until_redis_responds(lambda: self._jobs.fail(job.id, job.attempt, described)):
                await self._canceled(job)
        else:
            await asyncio.sleep(RETRY_S)
            await until_redis_responds(lambda: self._jobs.release(job.id, job.attempt, error))

    async def _beat(self, attempt: Attempt) -> None:
        """Send progress to Redis, and set `stop` if its response requires it. Without Redis the job continues."""
        job, reached = attempt.job, list(attempt.checkpoints)
        with contextlib.suppress(Unavailable):
            if await self._jobs.progress(job.id, job.attempt, attempt.meter.latest, reached) != "ok":
                attempt.stop.set()
            attempt.checkpoints.difference_update(reached)


def artifacts_of(job: Job) -> list[ArtifactKey]:
    """The artifacts that a job requests."""
    parameters = parse_stored(job.parameters)
    options = {"min_score": parameters.overlay_threshold}
    return [ArtifactKey(f"{OF_JOB}:{job.id}", overlay.KIND, options)] if parameters.overlay else []


def summary_of(folder: Path) -> JobSummary | None:
    """The summary of the result in a folder; None if it was deleted with its video, which the commit finds out.

    Raises:
        InvalidResult: the result can't be read back.
    """
    try:
        head = ResultFile.open(folder / FILES[ResultFormat.COCO_RLE].stored).head
    except FileNotFoundError:
        return None
    return JobSummary(len(head.tubelets), head.left_out, head.max_seeds_reached)


async def until_redis_responds(act: Callable[[], Awaitable[T]]) -> T:
    """Repeat `act` until Redis responds: a finished job must not be lost because Redis is unavailable for a while.

    Raises:
        Unavailable: Redis responds, but rejects `act` repeatedly.
    """
    tries = refusals = 0
    while True:
        try:
            return await act()
        except Unavailable as error:
            tries, refusals = tries + 1, refusals + (error.code == REFUSED)
            if refusals >= MOST_REFUSALS:
                raise
            if (tries - 1) % LOG_EVERY == 0:
                log.warning("state not available, retrying", tries=tries, code=error.code, reason=error.detail)
            await asyncio.sleep(RETRY_S)

"""Makes one artifact: begin an attempt, write the file, commit it. The engine is not needed for it."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import structlog

from dualtrack.errors import DualtrackError, Gone, InvalidInput, JobFailed, NewerFormat, NotFound, Unavailable
from dualtrack.formats.table import BEFORE_SCHEMA_1, FILES, ResultFormat
from dualtrack.result.file import ResultFile
from service.artifacts import overlay
from service.media.children.child_main import FULL
from service.media.limits import VideoLimits
from service.processes.heartbeat import heartbeat
from service.state.artifact import Artifact, kind_of
from service.state.artifacts import ArtifactStore
from service.state.blobs import BlobStore
from service.state.counters import Counters
from service.state.job import Job, JobProgress
from service.state.jobs import JobStore
from service.state.videos import VideoStore
from service.worker.runner import FAULT, PROGRESS_S, RETRY_S, until_redis_responds

log = structlog.get_logger()

KINDS = (overlay.KIND,)
"""Kinds that this version can make; others are left to workers of a newer version."""


class FrameMeter:
    """Progress of an artifact that is made frame by frame.

    Args:
        stage: name of the only stage.
        total: number of frames.

    Attributes:
        latest: progress after the last frame; None before the first.
    """

    def __init__(self, stage: str, total: int) -> None:
        self._stage, self._total, self._started = stage, total, time.monotonic()
        self.latest: JobProgress | None = None

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._started

    def done(self, frames: int) -> None:
        """Update the progress: this number of frames is done."""
        total, seconds = max(self._total, frames, 1), self.seconds
        rate = frames / seconds if frames and seconds > PROGRESS_S else None
        eta = None if rate is None else round((total - frames) / rate, 1)
        rounded = None if rate is None else round(rate, 2)
        self.latest = JobProgress(self._stage, frames, total, round(frames / total, 4), rounded, eta)


class ArtifactRunner:
    """Makes artifacts from stored results and videos.

    Args:
        artifacts: their state.
        jobs: the jobs that they belong to.
        videos: what is known of each, and their files.
        blobs: results, and the files of artifacts.
        counters: what is counted over all workers.
        limits: limits on videos.
    """

    def __init__(
        self,
        artifacts: ArtifactStore,
        jobs: JobStore,
        videos: VideoStore,
        blobs: BlobStore,
        counters: Counters,
        limits: VideoLimits,
    ) -> None:
        self._artifacts, self._jobs, self._videos, self._blobs = artifacts, jobs, videos, blobs
        self._counters, self._limits = counters, limits

    async def run(self, name: str) -> bool:
        """Make an artifact; False if there is nothing to do, because `begin` returns none or it is left to others."""
        if kind_of(name) not in KINDS:
            log.warning("artifact left to a newer version", artifact=name)
            return False
        holder = uuid.uuid4().hex
        try:
            artifact = await until_redis_responds(lambda: self._artifacts.begin(name, holder=holder))
        except NewerFormat as error:
            log.warning("artifact left to a newer version", artifact=name, reason=error.detail)
            return False
        if artifact is None:
            return False
        log.info("artifact started", artifact=name, attempt=artifact.attempt)
        try:
            await self._attempt(artifact)
        except asyncio.CancelledError:
            # the worker stops; the artifact may already be done, even if the response of Redis has not arrived
            with contextlib.suppress(Unavailable):
                if await self._artifacts.release(name, artifact.attempt):
                    await self._blobs.remove_artifact(name, artifact.attempt)
            raise
        except Exception:
            # an error in the worker itself: not raised, because other artifacts are to be made
            log.exception("artifact failed", artifact=name, attempt=artifact.attempt, code=FAULT.code)
            await self._give_back(artifact, FAULT)
        return True

    async def _attempt(self, artifact: Artifact) -> None:
        try:
            file, meter = await self._made(artifact)
        except DualtrackError as error:
            await self._failed(artifact, error)
        except OSError as error:
            code = "disk-full" if error.errno in FULL else "unavailable"
            await self._failed(artifact, Unavailable(f"artifact: {error}", code=code))
        else:
            if file is not None:
                await self._commit(artifact, file, meter)
                return
            log.warning("artifact stopped, its file is dropped", artifact=artifact.name, attempt=artifact.attempt)
            await self._blobs.remove_artifact(artifact.name, artifact.attempt)

    async def _made(self, artifact: Artifact) -> tuple[Path | None, FrameMeter]:
        """Write the file while sending heartbeats; no file if another attempt has taken over, or it was deleted."""
        job = await until_redis_responds(lambda: self._jobs.get(artifact.owner_id))
        result = await asyncio.to_thread(self._result_of, job)
        meter, lost = FrameMeter(overlay.STAGE, result.head.video.frames), asyncio.Event()

        async def beat() -> None:
            with contextlib.suppress(Unavailable):
                if await self._artifacts.progress(artifact.name, artifact.attempt, meter.latest) != "ok":
                    lost.set()

        async with heartbeat(beat, PROGRESS_S):
            drawing = asyncio.create_task(self._draw(artifact, job, result, meter.done))
            stop = asyncio.create_task(lost.wait())
            try:
                await asyncio.wait({drawing, stop}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (drawing, stop):
                    task.cancel()
                await asyncio.gather(drawing, stop, return_exceptions=True)
        return (None if drawing.cancelled() else drawing.result()), meter

    def _result_of(self, job: Job) -> ResultFile:
        """The stored result of a job.

        Raises:
            JobFailed: it was deleted.
            InvalidResult: it is damaged.
        """
        folder = self._blobs.root / (job.result or "")
        stored = folder / FILES[ResultFormat.COCO_RLE].stored
        try:
            return ResultFile.open(stored if stored.exists() else folder / BEFORE_SCHEMA_1)
        except FileNotFoundError as error:
            raise JobFailed("result: it was deleted", code="result-deleted", final=True) from error

    async def _draw(self, artifact: Artifact, job: Job, result: ResultFile, on_frame: Callable[[int], None]) -> Path:
        """Draw the overlay; returns its file."""
        try:
            video = await until_redis_responds(lambda: self._videos.get(job.video_id))
        except NotFound as error:
            raise JobFailed("video: it was deleted", code="video-deleted", final=True) from error
        folder = self._blobs.artifact_folder(artifact.name, artifact.attempt)
        folder.mkdir(parents=True, exist_ok=True)
        out = folder / FILES[ResultFormat.OVERLAY_MP4].stored
        await overlay.write_overlay(
            self._videos.path(video),
            result,
            out,
            limits=self._limits,
            min_score=artifact.options["min_score"],
            on_frame=on_frame,
        )
        return out

    async def _commit(self, artifact: Artifact, file: Path, meter: FrameMeter) -> None:
        name, attempt, stored = artifact.name, artifact.attempt, str(file.relative_to(self._blobs.root))
        size = (await asyncio.to_thread(file.stat)).st_size
        if not await until_redis_responds(lambda: self._artifacts.commit(name, attempt, stored, size)):
            # another attempt took it over, whose file counts, or it was deleted
            log.warning("artifact stopped, its file is dropped", artifact=name, attempt=attempt)
            await self._blobs.remove_artifact(name, attempt)
            return
        await self._blobs.keep_artifact(name, attempt)
        log.info("artifact done", artifact=name, attempt=attempt, bytes=size)
        with contextlib.suppress(Unavailable):
            await self._counters.observe({overlay.STAGE: meter.seconds}, {})

    async def _failed(self, artifact: Artifact, error: DualtrackError) -> None:
        name, attempt = artifact.name, artifact.attempt
        log.warning("artifact failed", artifact=name, attempt=attempt, code=error.code, detail=error.detail)
        if not _is_final(error):
            await self._give_back(artifact, error)
            return
        await self._blobs.remove_artifact(name, attempt)
        described = {"code": error.code, "detail": error.detail}
        await until_redis_responds(lambda: self._artifacts.fail(name, attempt, described))

    async def _give_back(self, artifact: Artifact, error: DualtrackError) -> None:
        """End a failed attempt; another one follows unless it was the last."""
        await self._blobs.remove_artifact(artifact.name, artifact.attempt)
        await asyncio.sleep(RETRY_S)
        await until_redis_responds(lambda: self._artifacts.release(artifact.name, artifact.attempt, error))


def _is_final(error: DualtrackError) -> bool:
    """Whether another attempt would fail in the same way."""
    return isinstance(error, InvalidInput | NotFound | Gone) or (isinstance(error, JobFailed) and error.final)

"""Opens the components that the API and every worker share, and checks their readiness."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from docket import Docket
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from dualtrack.errors import ConfigurationError, Unavailable
from service.inference.repository.manifest import Manifest, load_manifest, load_releases
from service.inference.triton.health import releases_alive
from service.pipeline.categories.class_vector import ClassVector, bundled
from service.pipeline.detection.description import load_detector_file
from service.processes.heartbeat import heartbeat
from service.settings import Settings
from service.state import redis_keys
from service.state.artifacts import ArtifactStore
from service.state.blobs import BlobStore
from service.state.cache_index import CacheIndex
from service.state.connection import connect, translated
from service.state.counters import Counters
from service.state.detections import DetectionsStore
from service.state.jobs import JobStore
from service.state.server import check_rights, losses
from service.state.videos import VideoStore
from service.state.workers import Workers

log = structlog.get_logger()

JOB_TASK = "run_job"
"""Name of the task in the queue; deliveries of earlier versions carry it, too, so it must not change."""
ARTIFACT_TASK = "make_artifact"
"""Name of the task that makes an artifact, in the same queue."""
CANCELS = f"{redis_keys.DOCKET}:cancel:*"
"""Channels to which docket's workers subscribe before they take jobs; Redis users need this very pattern."""
CHECK_EVERY_S, STALE_S, FIRST_S = 2.0, 60.0, 5.0
"""Interval of the readiness check, age of a stale result, and maximum wait for the first one, in seconds."""
DELIVERY_PAUSES_S = (0.0, 0.0, 0.05, 0.2)
"""Pauses between attempts to hand a job to the queue, in seconds; the key of a delivery makes repeats harmless."""


@dataclass(frozen=True)
class Parts:
    """What the API and a worker work with; `warnings` are reasons for which accepted jobs can be lost."""

    settings: Settings
    redis: Redis
    docket: Docket
    jobs: JobStore
    artifacts: ArtifactStore
    videos: VideoStore
    detections: DetectionsStore
    blobs: BlobStore
    cache: CacheIndex
    counters: Counters
    classes: ClassVector
    workers: Workers
    warnings: tuple[str, ...]


@contextlib.asynccontextmanager
async def open_parts(settings: Settings) -> AsyncIterator[Parts]:
    """Connect to Redis, open the blob store and read the manifest; closes them at the end of the block.

    Raises:
        ConfigurationError: no Redis is configured, its user lacks a right, or the model repository is not readable.
        Unavailable: Redis can't be reached.
    """
    if settings.redis_url is None:
        raise ConfigurationError("redis_url: expected a URL, got none: set DUALTRACK_REDIS_URL or run dualtrack serve")
    url = settings.redis_url.get_secret_value()
    manifest = load_manifest(settings.model_repository)
    blobs = BlobStore(settings.data_dir / "blobs", min_free_bytes=settings.min_free_bytes)
    redis = connect(url)
    cache = CacheIndex(redis, settings.cache_dir, ttl_s=settings.result_ttl_s)
    try:
        with translated():
            await redis.ping()
        await check_rights(redis, CANCELS)
        warnings = await losses(redis)
        for line in warnings:
            log.warning(line)
        async with Docket(name=redis_keys.DOCKET, url=url) as docket:
            docket.register(_run_nothing, names=[JOB_TASK, ARTIFACT_TASK])
            jobs = JobStore(
                redis,
                partial(_deliver, docket, JOB_TASK),
                max_queue=settings.max_queue,
                max_attempts=settings.max_attempts,
                ttl_s=settings.result_ttl_s,
                lease_s=settings.lease_s,
            )
            try:
                yield Parts(
                    settings=settings,
                    redis=redis,
                    docket=docket,
                    jobs=jobs,
                    artifacts=ArtifactStore(
                        redis,
                        partial(_deliver, docket, ARTIFACT_TASK),
                        max_queue=settings.max_queue,
                        max_attempts=settings.max_attempts,
                        lease_s=settings.lease_s,
                    ),
                    videos=VideoStore(redis, blobs, cache, ttl_s=settings.result_ttl_s),
                    detections=DetectionsStore(redis, blobs, ttl_s=settings.result_ttl_s),
                    blobs=blobs,
                    cache=cache,
                    counters=Counters(redis),
                    classes=_classes(settings, manifest),
                    workers=Workers(redis),
                    warnings=warnings,
                )
            finally:
                await jobs.close()
    finally:
        await redis.aclose()


async def current_release(parts: Parts) -> Manifest:
    """The newest release in the repository, read again each time, so that a new release needs no restart.

    Raises:
        ConfigurationError: the repository can't be read.
    """
    return await asyncio.to_thread(load_manifest, parts.settings.model_repository)


async def ready(parts: Parts) -> dict[str, str | bool]:
    """Check what the service needs; returns, for each component, True or a text that describes the problem."""
    checks: dict[str, str | bool] = {"models": True, "disk": True}
    try:
        checks |= {"state": True, "workers": True if await parts.workers.count() else "no live worker"}
    except Unavailable as error:
        checks |= {"state": error.detail}
    if parts.settings.triton_url is not None:
        checks["models"] = await _models_ready(parts.settings.triton_url, parts.settings.model_repository)
    if parts.blobs.free_bytes() < parts.settings.min_free_bytes:
        checks["disk"] = f"less than {parts.settings.min_free_bytes} bytes free"
    return checks


class Readiness:
    """The last result of `ready`, which is called at intervals.

    Args:
        parts: the components to check.

    Attributes:
        first: set after the first check.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts, self._answered = parts, time.monotonic()
        self._checks: dict[str, str | bool] = {"check": "not done yet"}
        self._warnings = parts.warnings
        self.first = asyncio.Event()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Problems that do not affect readiness, as the last check found them."""
        return self._warnings

    def checks(self) -> dict[str, str | bool]:
        """The last result of `ready`, with an additional check if it is stale."""
        age = time.monotonic() - self._answered
        return self._checks if age < STALE_S else {**self._checks, "check": f"no answer for {age:.0f} s"}

    async def look(self) -> None:
        """Run the check."""
        try:
            self._checks = await ready(self._parts)
            with contextlib.suppress(Unavailable):
                self._warn(await losses(self._parts.redis))
        except Exception as error:  # the next check may succeed
            log.exception("readiness not checked")
            self._checks = {"check": f"failed: {type(error).__name__}"}
        self._answered = time.monotonic()
        self.first.set()

    def _warn(self, found: tuple[str, ...]) -> None:
        """Keep the warnings, and log those that are new: an operator can change the server while it runs."""
        for line in found:
            if line not in self._warnings:
                log.warning(line)
        self._warnings = found


@contextlib.asynccontextmanager
async def watched(parts: Parts) -> AsyncIterator[Readiness]:
    """Check readiness at intervals for the duration of the block."""
    readiness = Readiness(parts)
    async with heartbeat(readiness.look, CHECK_EVERY_S):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(readiness.first.wait(), FIRST_S)
        yield readiness


async def _deliver(docket: Docket, task: str, name: str, key: str) -> None:
    """Hand the id of a job, or the name of an artifact, to the queue."""
    # by name: a worker has put its own function under it
    for pause in DELIVERY_PAUSES_S:
        # after a restart of the server, the queue's old connections fail at their next use
        with contextlib.suppress(RedisConnectionError, RedisTimeoutError):
            await docket.add(task, key=key)(name)
            return
        await asyncio.sleep(pause)
    await docket.add(task, key=key)(name)


async def _run_nothing(name: str) -> None:
    """The tasks in processes that only deliver; a worker registers the functions that do them under their names."""
    raise ConfigurationError(f"{name}: delivered to a process that is not a worker")


def _classes(settings: Settings, manifest: Manifest) -> ClassVector:
    """The classes in the class vectors of the detector in use."""
    return bundled(manifest) if settings.detector is None else load_detector_file(settings.detector).vector


async def _models_ready(url: str, repository: Path) -> str | bool:
    """Whether Triton at `url` serves the models of all releases in `repository`: True, or the problem."""
    try:
        releases = await asyncio.to_thread(load_releases, repository)
    except ConfigurationError as error:
        return error.detail
    return await releases_alive(url, releases)

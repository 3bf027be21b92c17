"""What the API and every worker open from the settings, and what can be asked of all of it together."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
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
CANCELS = f"{redis_keys.DOCKET}:cancel:*"
"""Channels that docket's workers listen to before they take work; the user of Redis needs the right to this pattern."""
CHECK_EVERY_S, STALE_S, FIRST_S = 2.0, 60.0, 5.0
"""How often readiness is checked, after how long without an answer the service is not ready, and how long the start
waits for the first one."""
DELIVERY_PAUSES_S = (0.0, 0.0, 0.05, 0.2)
"""Between two tries to hand a job to the queue; the key of a delivery makes repeats harmless."""


@dataclass(frozen=True)
class Parts:
    """What the API and a worker work with; `warnings` say why accepted jobs may vanish (`state/server.py`)."""

    settings: Settings
    redis: Redis
    docket: Docket
    jobs: JobStore
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
    """Connect to Redis, open the blob store, read the manifest.

    Raises:
        ConfigurationError: no Redis is configured, its user lacks a right, or the model repository is not readable.
        Unavailable: Redis can't be reached.
    """
    if settings.redis_url is None:
        raise ConfigurationError("redis_url: not set; set DUALTRACK_REDIS_URL or run `dualtrack serve`")
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
            docket.register(_run_nothing, names=[JOB_TASK])

            async def deliver(job_id: str, key: str) -> None:
                for pause in DELIVERY_PAUSES_S:
                    # the queue's connections of before a restart of the server fail when they are used next
                    with contextlib.suppress(RedisConnectionError, RedisTimeoutError):
                        await _deliver(docket, job_id, key)
                        return
                    await asyncio.sleep(pause)
                await _deliver(docket, job_id, key)

            jobs = JobStore(
                redis,
                deliver,
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
    """The newest release in the repository: one that is published meanwhile needs no new start.

    Raises:
        ConfigurationError: the repository is not readable any more.
    """
    return await asyncio.to_thread(load_manifest, parts.settings.model_repository)


async def ready(parts: Parts) -> dict[str, str | bool]:
    """What the service needs, each True or a text that says what is wrong."""
    checks: dict[str, str | bool] = {"models": True, "disk": True}
    try:
        checks |= {"state": True, "workers": True if await parts.workers.count() else "no live worker"}
    except Unavailable as error:
        checks |= {"state": error.detail}
    if parts.settings.triton_url is not None:
        checks["models"] = await _answering(parts.settings.triton_url, parts.settings.model_repository)
    if parts.blobs.free_bytes() < parts.settings.min_free_bytes:
        checks["disk"] = f"less than {parts.settings.min_free_bytes} bytes free"
    return checks


class Readiness:
    """The last answer of `ready`, which is called again and again, whoever wants to know it.

    Args:
        parts: what is looked at.

    Attributes:
        first: the first answer is there.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts, self._answered = parts, time.monotonic()
        self._checks: dict[str, str | bool] = {"check": "not done yet"}
        self.first = asyncio.Event()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is no reason not to be ready."""
        return self._parts.warnings

    def checks(self) -> dict[str, str | bool]:
        """As `ready` answers; a check more if the last answer is old."""
        age = time.monotonic() - self._answered
        return self._checks if age < STALE_S else {**self._checks, "check": f"no answer for {age:.0f} s"}

    async def look(self) -> None:
        """Check now."""
        try:
            self._checks = await ready(self._parts)
        except Exception as error:  # whatever it is, the next look may say something else
            log.exception("readiness not checked")
            self._checks = {"check": f"failed: {type(error).__name__}"}
        self._answered = time.monotonic()
        self.first.set()


@contextlib.asynccontextmanager
async def watched(parts: Parts) -> AsyncIterator[Readiness]:
    """The readiness of the service, checked for the length of the block."""
    readiness = Readiness(parts)
    async with heartbeat(readiness.look, CHECK_EVERY_S):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(readiness.first.wait(), FIRST_S)
        yield readiness


async def _deliver(docket: Docket, job_id: str, key: str) -> None:
    # by name: a worker has put its own function under it
    await docket.add(JOB_TASK, key=key)(job_id)


async def _run_nothing(job_id: str) -> None:
    """The task as a process that only delivers knows it; a worker registers what runs the job under the name."""
    raise ConfigurationError(f"job {job_id}: delivered to a process that is not a worker")


def _classes(settings: Settings, manifest: Manifest) -> ClassVector:
    """What the class vectors of the detector in use mean."""
    return bundled(manifest) if settings.detector is None else load_detector_file(settings.detector).vector


async def _answering(url: str, repository: Path) -> str | bool:
    """Whether the models of the releases in `repository` answer at `url`."""
    try:
        releases = await asyncio.to_thread(load_releases, repository)
    except ConfigurationError as error:
        return error.detail
    return await releases_alive(url, releases)

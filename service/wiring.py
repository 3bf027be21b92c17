"""Opens the components that the API and every worker share, and checks their readiness."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from docket import Docket
from redis.asyncio import Redis

from dualtrack.errors import ConfigurationError, Unavailable
from service.inference.repository.manifest import Manifest, load_manifest, load_releases
from service.inference.triton.health import releases_alive
from service.pipeline.categories.class_vector import ClassVector, bundled
from service.pipeline.detection.description import load_detector_file
from service.settings import Settings
from service.state import redis_keys
from service.state.blobs import BlobStore
from service.state.cache_index import CacheIndex
from service.state.connection import connect, translated
from service.state.counters import Counters
from service.state.jobs import JobStore
from service.state.videos import VideoStore

JOB_TASK = "run_job"
"""Name of the task in the queue; it must not change, because deliveries of earlier versions contain it."""


@dataclass(frozen=True)
class Parts:
    """The components that the API and a worker share."""

    settings: Settings
    redis: Redis
    docket: Docket
    jobs: JobStore
    videos: VideoStore
    blobs: BlobStore
    cache: CacheIndex
    counters: Counters
    classes: ClassVector


@contextlib.asynccontextmanager
async def open_parts(settings: Settings) -> AsyncIterator[Parts]:
    """Connect to Redis, open the blob store and read the manifest; closes them at the end of the block.

    Raises:
        ConfigurationError: no Redis is configured, or the model repository can't be read.
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
        async with Docket(name=redis_keys.DOCKET, url=url) as docket:
            docket.register(_run_nothing, names=[JOB_TASK])

            async def deliver(job_id: str, key: str) -> None:
                # by name, because a worker registers another function under it
                await docket.add(JOB_TASK, key=key)(job_id)

            yield Parts(
                settings=settings,
                redis=redis,
                docket=docket,
                jobs=JobStore(
                    redis,
                    deliver,
                    max_queue=settings.max_queue,
                    max_attempts=settings.max_attempts,
                    ttl_s=settings.result_ttl_s,
                    lease_s=settings.lease_s,
                ),
                videos=VideoStore(redis, blobs, cache, ttl_s=settings.result_ttl_s),
                blobs=blobs,
                cache=cache,
                counters=Counters(redis),
                classes=_classes(settings, manifest),
            )
    finally:
        await redis.aclose()


async def current_release(parts: Parts) -> Manifest:
    """The newest release in the repository, read again each time, so that a new release needs no restart.

    Raises:
        ConfigurationError: the repository can't be read.
    """
    return await asyncio.to_thread(load_manifest, parts.settings.model_repository)


async def count_workers(parts: Parts) -> int:
    """Number of workers with a recent heartbeat.

    Raises:
        Unavailable: Redis can't be reached.
    """
    with translated():
        return len([key async for key in parts.redis.scan_iter(match=redis_keys.WORKERS, count=1000)])


async def ready(parts: Parts) -> dict[str, str | bool]:
    """Check what the service needs; returns, for each component, True or a text that describes the problem."""
    checks: dict[str, str | bool] = {"models": True, "disk": True}
    try:
        checks |= {"state": True, "workers": True if await count_workers(parts) else "no live worker"}
    except Unavailable as error:
        checks |= {"state": error.detail}
    if parts.settings.triton_url is not None:
        checks["models"] = await _models_ready(parts.settings.triton_url, parts.settings.model_repository)
    if parts.blobs.free_bytes() < parts.settings.min_free_bytes:
        checks["disk"] = f"less than {parts.settings.min_free_bytes} bytes free"
    return checks


async def _run_nothing(job_id: str) -> None:
    """The task in processes that only deliver jobs; a worker registers the function that runs them under its name."""
    raise ConfigurationError(f"job {job_id}: delivered to a process that is not a worker")


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

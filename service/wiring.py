"""Wiring: opens everything that has a lifetime, and runs worker and supervisor."""

import asyncio
import contextlib
import itertools
import os
import signal
import uuid
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import structlog
from docket import Docket, Worker
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from dualtrack.errors import ConfigurationError, Unavailable
from service.inference.repository.manifest import Manifest, load_manifest, load_releases, verify
from service.inference.triton.health import releases_alive
from service.pipeline.categories.class_vector import ClassVector, bundled, described
from service.pipeline.detection.description import load_detector_file
from service.processes import liveness
from service.processes.heartbeat import heartbeat
from service.processes.scratch import scratch_folder, sweep_scratch
from service.processes.supervise import keep
from service.settings import Settings
from service.state import redis_keys
from service.state.blobs import BlobStore
from service.state.cache_index import CacheIndex
from service.state.connection import connect, translated
from service.state.counters import Counters
from service.state.embedded import embedded_valkey
from service.state.jobs import JobStore
from service.state.videos import VideoStore
from service.telemetry import configure_logging
from service.worker.engine import COMMAND as ENGINE_COMMAND
from service.worker.engine import EngineHandle
from service.worker.runner import JobRunner

log = structlog.get_logger()

BEAT_S = 2.0
RECONCILE_EVERY, SWEEP_EVERY = 5, 150
"""Beats between two looks for lost jobs, and between two sweeps of the blob store."""
STOP_S = 5.0
"""Seconds that a child may take to end, besides draining."""


@dataclass(frozen=True)
class Parts:
    """What the API works with."""

    settings: Settings
    redis: Redis
    docket: Docket
    jobs: JobStore
    videos: VideoStore
    blobs: BlobStore
    cache: CacheIndex
    counters: Counters
    classes: ClassVector
    registry: CollectorRegistry


@contextlib.asynccontextmanager
async def open_parts(settings: Settings) -> AsyncIterator[Parts]:
    """Connect to Redis, open the blob store, read the manifest.

    Raises:
        ConfigurationError: no Redis is configured, or the model repository is not readable.
        Unavailable: Redis can't be reached.
    """
    if settings.redis_url is None:
        raise ConfigurationError("redis_url: not set; `dualtrack serve` starts an embedded server, or set it")
    url = settings.redis_url.get_secret_value()
    manifest = load_manifest(settings.model_repository)
    blobs = BlobStore(settings.data_dir / "blobs", min_free_bytes=settings.min_free_bytes)
    redis = connect(url)
    cache = CacheIndex(redis, settings.cache_dir, ttl_s=settings.result_ttl_s)
    try:
        with translated():
            await redis.ping()
        async with Docket(name=redis_keys.DOCKET, url=url) as docket:
            docket.register(run_job)

            async def deliver(job_id: str, key: str) -> None:
                # by name: a worker has put its own function under it
                await docket.add(run_job.__name__, key=key)(job_id)

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
                classes=classes_of(settings, manifest),
                registry=CollectorRegistry(),
            )
    finally:
        await redis.aclose()


def classes_of(settings: Settings, manifest: Manifest) -> ClassVector:
    """What the class vectors of the detector in use mean."""
    return bundled(manifest) if settings.detector is None else described(load_detector_file(settings.detector))


async def run_job(job_id: str) -> None:
    """The task as the queue knows it; a worker registers `JobRunner.run` under this name."""
    raise ConfigurationError(f"job {job_id}: delivered to a process that is no worker")


async def release(parts: Parts) -> Manifest:
    """The newest release in the repository: one that is published meanwhile needs no new start.

    Raises:
        ConfigurationError: the repository is not readable any more.
    """
    return await asyncio.to_thread(load_manifest, parts.settings.model_repository)


async def _answering(url: str, repository: Path) -> str | bool:
    """Whether the models of the releases in `repository` answer at `url`."""
    try:
        releases = await asyncio.to_thread(load_releases, repository)
    except ConfigurationError as error:
        return error.detail
    return await releases_alive(url, releases)


async def workers(parts: Parts) -> int:
    """How many workers have shown a sign of life lately.

    Raises:
        Unavailable: Redis can't be reached.
    """
    with translated():
        return len([key async for key in parts.redis.scan_iter(match=redis_keys.WORKERS, count=1000)])


async def ready(parts: Parts) -> dict[str, str | bool]:
    """What the service needs, each True or a text that says what is wrong."""
    checks: dict[str, str | bool] = {"models": True, "disk": True}
    try:
        checks |= {"state": True, "workers": True if await workers(parts) else "no worker shows signs of life"}
    except Unavailable as error:
        checks |= {"state": error.detail}
    if parts.settings.triton_url is not None:
        checks["models"] = await _answering(parts.settings.triton_url, parts.settings.model_repository)
    if parts.blobs.free_bytes() < parts.settings.min_free_bytes:
        checks["disk"] = f"less than {parts.settings.min_free_bytes} bytes are free"
    return checks


async def run_worker(settings: Settings, *, engine_command: Sequence[str] = ENGINE_COMMAND) -> None:
    """Take jobs one after the other until SIGTERM or SIGINT.

    A job under way may then run on for `drain_s`; after that it is given back and another worker takes it.

    Args:
        settings: of this worker.
        engine_command: the program that does the jobs.
    """
    configure_logging(settings.log_level, json=settings.log_json)
    verify(load_manifest(settings.model_repository))
    worker_id = uuid.uuid4().hex[:12]
    async with open_parts(settings) as parts:
        with scratch_folder(_scratch(settings), worker_id) as scratch:
            engine = EngineHandle(engine_settings(settings, str(scratch)), engine_command)
            runner = JobRunner(parts.jobs, parts.videos, parts.blobs, parts.cache, engine, parts.counters)
            parts.docket.register(runner.run, names=[run_job.__name__])
            try:
                await engine.start()
                log.info("worker ready", worker=worker_id)
                await _until_stopped(_work(parts, settings, worker_id), drain_s=settings.drain_s)
            finally:
                await engine.kill()
                with contextlib.suppress(Unavailable), translated():
                    await parts.redis.delete(redis_keys.worker(worker_id))


async def _work(parts: Parts, settings: Settings, worker_id: str) -> None:
    worker = Worker(
        parts.docket,
        name=worker_id,
        concurrency=1,
        redelivery_timeout=timedelta(seconds=settings.lease_s),
        reconnection_delay=timedelta(seconds=1),
    )
    beats = itertools.count()
    async with heartbeat(lambda: _beat(parts, settings, worker_id, next(beats)), BEAT_S), worker:
        # a cancel does not come out here: docket takes it as the wish to finish what runs and return
        await worker.run_forever()


async def _beat(parts: Parts, settings: Settings, worker_id: str, beat: int) -> None:
    """Sign of life, second net under the queue, sweep of old files."""
    if settings.liveness_file is not None:
        liveness.show(settings.liveness_file)
    with contextlib.suppress(Unavailable):
        with translated():
            await parts.redis.set(redis_keys.worker(worker_id), "1", ex=redis_keys.WORKER_TTL_S)
        if beat % RECONCILE_EVERY == 0:
            await parts.jobs.reconcile()
    if beat % RECONCILE_EVERY == 0:
        await asyncio.to_thread(sweep_scratch, _scratch(settings))
    if beat % SWEEP_EVERY == 0:
        await asyncio.to_thread(parts.blobs.sweep, settings.result_ttl_s)
        await asyncio.to_thread(parts.cache.sweep)


async def _until_stopped(work: Coroutine[None, None, None], *, drain_s: float | None = None) -> None:
    """Run `work` until SIGTERM or SIGINT cancels it, and `drain_s` later cancels it again."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()
        if drain_s is not None:
            loop.call_later(drain_s, task.cancel)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped:
            raise


def _scratch(settings: Settings) -> Path:
    return settings.data_dir / "scratch"


def engine_settings(settings: Settings, scratch: str) -> dict[str, object]:
    """The first line that an engine process is given; `scratch` is its folder."""
    return {
        "model_repository": str(settings.model_repository),
        "detector": None if settings.detector is None else str(settings.detector),
        "triton_url": settings.triton_url,
        "providers": list(settings.providers),
        "threads": settings.threads,
        "inference_deadline_s": settings.inference_deadline_s,
        "limits": asdict(settings.limits),
        "scratch": scratch,
        "cache_dir": str(settings.cache_dir),
        "cache_max_bytes": settings.cache_max_bytes,
        "feature_cache_bytes": settings.feature_cache_bytes,
        "checkpoint_frames": settings.checkpoint_frames,
        "feature_spill_bytes": settings.feature_spill_bytes,
    }


async def serve(settings: Settings) -> None:
    """State server (unless one is configured), API and one worker, until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the API or the worker ends each time right after its start.
    """
    configure_logging(settings.log_level, json=settings.log_json)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    async with contextlib.AsyncExitStack() as stack:
        if settings.redis_url is None:
            url = await stack.enter_async_context(embedded_valkey(settings.data_dir / "valkey"))
        else:
            url = settings.redis_url.get_secret_value()
        environment = {
            **os.environ,
            "DUALTRACK_REDIS_URL": url,
            "DUALTRACK_DATA_DIR": str(settings.data_dir),
            "DUALTRACK_HOST": settings.host,
            "DUALTRACK_PORT": str(settings.port),
        }
        await _until_stopped(_supervise(environment, settings))


async def _supervise(environment: dict[str, str], settings: Settings) -> None:
    stop_s = settings.drain_s + STOP_S
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(keep(("-m", "service.api"), environment, stop_s=stop_s))
            group.create_task(keep(("-m", "service.cli.main", "worker"), environment, stop_s=stop_s))
            group.create_task(_announce(settings))
    except* ConfigurationError as errors:
        raise errors.exceptions[0] from None


async def _announce(settings: Settings) -> None:
    """One line when everything is up."""
    host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104 (compared, not bound)
    url = f"http://{host}:{settings.port}"
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await http.get("/readyz")).is_success:
                    break
            await asyncio.sleep(0.2)
    log.info("ready", url=url)

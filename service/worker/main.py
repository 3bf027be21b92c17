"""The worker process: runs the jobs in the queue one at a time, makes artifacts beside them, and sends heartbeats."""

import asyncio
import contextlib
import itertools
import time
import uuid
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import structlog
from docket import Worker

from dualtrack.engine.handle import COMMAND as ENGINE_COMMAND
from dualtrack.engine.handle import EngineHandle
from dualtrack.errors import Unavailable
from service.inference.repository.manifest import load_manifest, verify
from service.processes import liveness
from service.processes.heartbeat import heartbeat
from service.processes.private import private_folder
from service.processes.scratch import scratch_folder, sweep_scratch
from service.processes.signals import until_stopped
from service.settings import Settings
from service.state import redis_keys
from service.state.connection import translated
from service.telemetry import configure_logging
from service.wiring import ARTIFACT_TASK, JOB_TASK, Parts, open_parts
from service.worker.artifact_lane import ArtifactLane
from service.worker.artifact_runner import ArtifactRunner
from service.worker.runner import JobRunner

log = structlog.get_logger()

HEARTBEAT_S = 2.0
RECONCILE_EVERY, SWEEP_EVERY = 5, 150
"""Number of heartbeats between checks for lost jobs, and between sweeps of the blob store."""


async def run_worker(settings: Settings, *, engine_command: Sequence[str] = ENGINE_COMMAND) -> None:
    """Run jobs one at a time until SIGTERM or SIGINT.

    After the signal, a running job may continue for `drain_s` seconds; then it is released to another worker. Artifacts
    that are being made are released then, too.

    Args:
        settings: settings of this worker.
        engine_command: the program that runs the jobs.
    """
    configure_logging(settings.log_level, json=settings.log_json)
    private_folder(settings.data_dir)
    if settings.liveness_file is not None:
        liveness.check(settings.liveness_file)
    verify(load_manifest(settings.model_repository))
    worker_id = uuid.uuid4().hex[:12]
    async with open_parts(settings) as parts:
        with scratch_folder(_scratch(settings), worker_id) as scratch:
            engine_settings = settings.engine_settings()
            engine = EngineHandle(
                {**engine_settings.to_json(), "scratch": str(scratch)},
                engine_command,
                silent_s=engine_settings.silence_s,
                deadline_s=settings.job_deadline_s or None,
            )
            maker = ArtifactRunner(
                parts.artifacts, parts.jobs, parts.videos, parts.blobs, parts.counters, settings.limits
            )
            lane = ArtifactLane(parts.artifacts.due, maker.run)
            runner = JobRunner(
                parts.jobs,
                parts.videos,
                parts.detections,
                parts.blobs,
                parts.cache,
                engine,
                parts.counters,
                parts.artifacts,
                lane.wake,
            )
            parts.docket.register(runner.run, names=[JOB_TASK])
            parts.docket.register(lane.deliver, names=[ARTIFACT_TASK])
            try:
                await engine.start()
                log.info("worker ready", worker=worker_id)
                await until_stopped(_work(parts, worker_id, lane), drain_s=settings.drain_s, give_up=runner.give_back)
            finally:
                await engine.kill()
                with contextlib.suppress(Unavailable):
                    await parts.workers.leave(worker_id)


async def _work(parts: Parts, worker_id: str, lane: ArtifactLane) -> None:
    worker = Worker(
        parts.docket,
        name=worker_id,
        concurrency=1,
        redelivery_timeout=timedelta(seconds=parts.settings.lease_s),
        reconnection_delay=timedelta(seconds=1),
    )
    beats = itertools.count()
    async with heartbeat(lambda: _beat(parts, worker_id, next(beats), lane), HEARTBEAT_S), lane.open(), worker:
        # docket does not raise a cancellation here: it finishes the running job and returns
        await worker.run_forever()


async def _beat(parts: Parts, worker_id: str, beat: int, lane: ArtifactLane) -> None:
    """Send a heartbeat; at intervals, redeliver lost jobs and delete old files."""
    settings = parts.settings
    if settings.liveness_file is not None:
        # a disk that fails is for the probe to notice: the job goes on
        with contextlib.suppress(OSError):
            liveness.show(settings.liveness_file)
    with contextlib.suppress(Unavailable):
        if await takes_work(parts, worker_id):
            await parts.workers.show(worker_id)
        if beat % RECONCILE_EVERY == 0:
            await parts.jobs.reconcile()
            await parts.artifacts.reconcile()
        if beat % SWEEP_EVERY == 0:
            await parts.videos.finish_deletions()
    if beat % RECONCILE_EVERY == 0:
        # artifacts whose delivery is still in the queue after jobs
        lane.wake()
        await asyncio.to_thread(sweep_scratch, _scratch(settings))
    if beat % SWEEP_EVERY == 0:
        await asyncio.to_thread(parts.blobs.sweep, settings.result_ttl_s)
        await asyncio.to_thread(parts.cache.sweep)


async def takes_work(parts: Parts, worker_id: str) -> bool:
    """Whether docket's loop takes jobs: it sends heartbeats only after it has subscribed."""
    with translated():
        shown = await parts.redis.zscore(parts.docket.workers_set, worker_id)
    return shown is not None and time.time() - float(shown) < redis_keys.WORKER_TTL_S


def _scratch(settings: Settings) -> Path:
    return settings.data_dir / "scratch"

"""Rows 6 and 7: memory and disk usage of the engine process, started as by a worker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from dualtrack.digest import sha256_of
from dualtrack.engine.handle import EngineHandle
from dualtrack.errors import EngineDied
from dualtrack.protocol import Step
from evaluation.bench.bench import Bench
from evaluation.bench.figures import Figure, RowOutcome
from evaluation.bench.meters.processes import children, kill_children, resident
from service.pipeline.parameters.job_parameters import JobParameters
from service.processes.scratch import scratch_folder, sweep_scratch
from service.settings import Settings

EVERY_S = 0.05
OBJECTS = 2
LONG_FRAMES, LONG_S = 40_000, 4000.0


@dataclass
class Watch:
    """Peak usage of a process tree and a folder.

    Attributes:
        memory: resident bytes of all descendants of this process.
        disk: bytes in the folder.
    """

    memory: int = 0
    disk: int = 0


async def memory(bench: Bench) -> RowOutcome:
    """Row 6."""
    peaks: dict[int, int] = {}
    for seconds in bench.plan.seconds:
        clip = await asyncio.to_thread(bench.clip, bench.plan.still(seconds))
        bench.notify(f"memory, {seconds} s of video")
        peaks[seconds] = (await _job(bench, clip, f"memory-{seconds}")).memory
    ratio = max(peaks.values()) / min(peaks.values())
    memory = ", ".join(f"{seconds} s {peak / 1e6:.0f} MB" for seconds, peak in peaks.items())
    figures = (Figure("longest / shortest", ratio, "", 1.1), Figure("peak", max(peaks.values()) / 1e9, "GB", 1.5))
    return RowOutcome(figures, notes=(f"{memory}; 360p, {bench.plan.still(1).rate} frames per second",))


async def disk(bench: Bench) -> RowOutcome:
    """Row 7: peak, at the end, and after the engine is killed during a job."""
    clip = await asyncio.to_thread(bench.clip, bench.plan.clip)
    bench.notify("disk")
    folder = bench.own_folder("disk")
    peak = (await _job(bench, clip, "disk/whole")).disk
    left = _bytes_in(folder / "whole" / "scratch")
    await _killed(bench, clip, folder / "killed")
    stayed = _bytes_in(folder / "killed" / "scratch")
    limit = bench.settings.limits.max_store_bytes
    return RowOutcome(
        (
            Figure("peak", peak / 1e6, "MB", limit / 1e6),
            Figure("left at the end", left, "B", 0),
            Figure("left after kill -9", stayed, "B", 0),
        )
    )


async def _job(bench: Bench, clip: Path, name: str) -> Watch:
    """Run one job on an engine of its own."""
    settings = _settings(bench, bench.folder / name)
    async with _engine(settings) as (engine, scratch), _watched(scratch) as watch:
        await engine.run(_work(clip, settings), lambda _: None, lambda _: None, asyncio.Event())
    return watch


async def _killed(bench: Bench, clip: Path, folder: Path) -> None:
    """Run a job and kill its engine (SIGKILL) at the first tracked frame."""
    settings = _settings(bench, folder)
    with contextlib.suppress(EngineDied):
        async with _engine(settings) as (engine, _):
            await engine.run(_work(clip, settings), _kill_at("track"), lambda _: None, asyncio.Event())
    # as a worker does on start, to clean up after one that was killed
    sweep_scratch(settings.data_dir / "scratch")


def _kill_at(stage: str) -> Callable[[Step], None]:
    """A progress callback that kills all descendants of this process once a stage begins."""

    def report(progress: Step) -> None:
        if progress.stage == stage:
            kill_children()

    return report


def _settings(bench: Bench, data_dir: Path) -> Settings:
    """The benchmark's settings, with limits that admit an hour of video."""
    limits = replace(bench.settings.limits, max_frames=LONG_FRAMES, max_duration_s=LONG_S)
    return bench.settings.model_copy(update={"data_dir": data_dir, "limits": limits})


def _work(clip: Path, settings: Settings) -> dict[str, object]:
    """The engine's job document."""
    parameters = JobParameters(overlay=False, max_seeds=OBJECTS, min_score=0)
    return {
        "video": str(clip),
        "sha256": sha256_of(clip),
        "out": str(settings.data_dir / "out"),
        "parameters": parameters.model_dump(),
    }


def _bytes_in(folder: Path) -> int:
    """Bytes of all files below a folder; files that are removed meanwhile count 0."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


@contextlib.asynccontextmanager
async def _engine(settings: Settings) -> AsyncIterator[tuple[EngineHandle, Path]]:
    with scratch_folder(settings.data_dir / "scratch", "bench") as scratch:
        engine = EngineHandle({**settings.engine_settings().to_json(), "scratch": str(scratch)})
        try:
            await engine.start()
            yield engine, scratch
        finally:
            await engine.kill()


@contextlib.asynccontextmanager
async def _watched(scratch: Path) -> AsyncIterator[Watch]:
    watch = Watch()

    async def look() -> None:
        while True:
            watch.memory = max(watch.memory, sum(resident(pid) for pid in children()))
            watch.disk = max(watch.disk, _bytes_in(scratch))
            await asyncio.sleep(EVERY_S)

    task = asyncio.create_task(look())
    try:
        yield watch
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

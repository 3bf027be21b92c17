"""Rows 9 and 10: concurrent jobs, and a repeated job."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from evaluation.bench.bench import Bench, middle
from evaluation.bench.clips import ClipSpec
from evaluation.bench.figures import Figure, RowOutcome
from evaluation.bench.meters.pipeline import Measured, run_pipeline
from service.pipeline.store.cache import FolderCache

JOBS, OBJECTS = 4, 3
OTHER = {"th_cc": 0.3, "th_seq": 0.4}
"""Values other than the defaults."""


async def at_once(bench: Bench) -> RowOutcome:
    """Row 9: in one process, as in an engine."""
    clips = [await asyncio.to_thread(bench.clip, spec) for spec in _different(bench)]
    one_by_one, together = [], []
    for _ in range(bench.plan.repeats):
        bench.notify(f"{JOBS} jobs, sequential")
        start = time.perf_counter()
        for clip in clips:
            await _job(bench, clip)
        one_by_one.append(time.perf_counter() - start)
        bench.notify(f"{JOBS} jobs, concurrent")
        start = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for clip in clips:
                group.create_task(_job(bench, clip))
        together.append(time.perf_counter() - start)
    alone, at_once_s = middle(one_by_one), middle(together)
    note = f"wall: sequential {alone:.1f} s, concurrent {at_once_s:.1f} s"
    return RowOutcome((Figure("", at_once_s / alone, "", 0.85),), notes=(note,))


async def repeat(bench: Bench) -> RowOutcome:
    """Row 10."""
    clip = await asyncio.to_thread(bench.clip, replace(bench.plan.clip, frames=bench.plan.jobs_frames))
    cache = FolderCache(bench.own_folder("repeat"), max_bytes=1 << 30)
    runs: dict[str, Measured] = {}
    for name, parameters in (("first", {}), *((name, {name: value}) for name, value in OTHER.items())):
        bench.notify(f"repeat, {name}")
        runs[name] = await run_pipeline(clip, bench.context, cache=cache, parameters=parameters)
    first = runs["first"].cpu_s
    tracked = {name: sum(c.batch for c in run.calls if c.graph == "siamese_rpn_template") for name, run in runs.items()}
    return RowOutcome(
        (
            Figure("another th_cc", runs["th_cc"].cpu_s / first, "", 0.35),
            Figure("another th_seq", runs["th_seq"].cpu_s / first, "", 0.02),
        ),
        notes=(f"seeds tracked: first run {tracked['first']}, then {tracked['th_cc']} and {tracked['th_seq']}",),
    )


def _different(bench: Bench) -> list[ClipSpec]:
    """Clips that differ by a frame, so that no job can use another's cached results."""
    return [replace(bench.plan.clip, frames=bench.plan.jobs_frames + number) for number in range(JOBS)]


async def _job(bench: Bench, clip: Path) -> None:
    await run_pipeline(clip, bench.context, parameters={"max_seeds": OBJECTS})

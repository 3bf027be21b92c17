"""Rows 2 to 5 and 8: CPU time of the pipeline in this process."""

import asyncio
from dataclasses import replace

from evaluation.bench.bench import Bench, middle
from evaluation.bench.clips import ClipSpec
from evaluation.bench.figures import Figure, RowOutcome
from evaluation.bench.meters.batches import ideal
from evaluation.bench.meters.calls import CallMeter
from evaluation.bench.meters.pipeline import Measured, run_pipeline

OBJECTS = 4
KEPT_CALLS = 8
"""Calls per graph that are run again in isolation."""


async def _runs(bench: Bench, spec: ClipSpec, objects: int, repeats: int | None = None) -> list[Measured]:
    """Run a clip with this number of objects, as often as the plan says."""
    clip = await asyncio.to_thread(bench.clip, spec)
    found = []
    for number in range(repeats or bench.plan.repeats):
        bench.notify(f"{objects} objects, {spec.frames} frames, run {number + 1}")
        found.append(await run_pipeline(clip, bench.context, parameters={"max_seeds": objects}))
    return found


async def objects(bench: Bench) -> RowOutcome:
    """Row 2."""
    few, many = [middle([run.cpu_s for run in await _runs(bench, bench.plan.clip, n)]) for n in (1, 8)]
    return RowOutcome((Figure("", many / few, "", 2.5),), notes=(f"CPU: 1 object {few:.1f} s, 8 objects {many:.1f} s",))


async def host(bench: Bench) -> RowOutcome:
    """Row 3: everything outside the graphs, with decoding and writing."""
    runs = await _runs(bench, bench.plan.clip, OBJECTS)
    share = middle([(run.cpu_s - run.graph_s) / run.graph_s for run in runs])
    alone = middle([(run.cpu_s - run.child_cpu_s - run.graph_s) / run.graph_s for run in runs])
    graph = middle([run.graph_s for run in runs])
    return RowOutcome((Figure("", share, "", 0.10),), notes=(f"graphs {graph:.1f} s; without the decoder {alone:.3f}",))


async def batches(bench: Bench) -> RowOutcome:
    """Row 4."""
    clip = await asyncio.to_thread(bench.clip, bench.plan.clip)
    meter = CallMeter(bench.context.networks.client, keep=KEPT_CALLS)
    bench.notify(f"{OBJECTS} objects, batches")
    run = await run_pipeline(clip, bench.context, meter=meter, parameters={"max_seeds": OBJECTS})
    alone = await ideal(meter, bench.context.networks.specs, bench.plan.price_repeats)
    note = f"CPU: pipeline {run.graph_s:.2f} s, alone {alone:.2f} s; batch 1 to 16, the cheapest"
    return RowOutcome((Figure("", run.graph_s / alone, "", 1.10),), notes=(note,))


async def length(bench: Bench) -> RowOutcome:
    """Row 5."""
    once = replace(bench.plan.clip, frames=bench.plan.short_frames)
    short = middle([run.cpu_s for run in await _runs(bench, once, OBJECTS)])
    long = (await _runs(bench, replace(once, frames=once.frames * 10), OBJECTS, repeats=1))[0].cpu_s
    note = f"CPU: {once.frames} frames {short:.1f} s, {once.frames * 10} frames {long:.1f} s"
    return RowOutcome((Figure("", long / short, "", 10.5),), notes=(note,))


async def frame(bench: Bench) -> RowOutcome:
    """Row 8."""
    runs = await _runs(bench, bench.plan.clip, 3)
    count = bench.plan.clip.frames
    detection = middle([run.graph_of("mask_rcnn") / count * 1e3 for run in runs])
    whole = middle([run.cpu_s / count * 1e3 for run in runs])
    return RowOutcome((Figure("detection", detection, "ms", 120), Figure("3 objects", whole, "ms", 250)))

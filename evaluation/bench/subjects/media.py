"""Rows 11 and 12: start-up time, and the overhead of storing decoded frames."""

import asyncio
import json
import subprocess
from pathlib import Path

from dualtrack.children import python_command
from evaluation.bench.bench import Bench, middle
from evaluation.bench.clips import ClipSpec
from evaluation.bench.figures import Figure, RowOutcome
from evaluation.bench.meters.pipeline import children_cpu_s
from service.media.probe import probe
from service.pipeline.parameters.job_parameters import JobParameters
from service.pipeline.video_file import open_clip

STARTS = 3
PATIENCE_S = 120


async def start(bench: Bench) -> RowOutcome:
    """Row 11: the command in a process of its own."""
    clip = await asyncio.to_thread(bench.clip, bench.plan.clip)
    bench.notify("start")
    seconds = [await asyncio.to_thread(_first_frame, clip, bench.own_folder(f"start-{n}")) for n in range(STARTS)]
    note = "wall: " + ", ".join(f"{value:.2f}" for value in seconds) + " s"
    return RowOutcome((Figure("", middle(seconds), "s", 3.0),), notes=(note,))


def _first_frame(clip: Path, folder: Path) -> float:
    """Seconds from process start to the first detected frame."""
    command = python_command("evaluation.bench.subjects.first_frame", str(clip), str(folder))
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)  # noqa: S603
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


async def store(bench: Bench) -> RowOutcome:
    """Row 12: CPU time of the decoding children; both include the start of Python."""
    spec = ClipSpec(height=1080, width=1920, frames=bench.plan.store_frames)
    clip = await asyncio.to_thread(bench.clip, spec)
    alone, stored = [], []
    for number in range(bench.plan.repeats):
        bench.notify(f"decode and store 1080p, run {number + 1}")
        before = children_cpu_s()
        command = python_command("evaluation.bench.subjects.decode_alone", str(clip))
        await asyncio.to_thread(subprocess.run, command, check=True, timeout=PATIENCE_S)
        alone.append(children_cpu_s() - before)
        stored.append(await _stored(bench, clip))
    note = f"CPU: decode {middle(alone):.2f} s, with storing {middle(stored):.2f} s; {spec.frames} frames"
    return RowOutcome((Figure("", middle(stored) / middle(alone), "", 1.3),), notes=(note,))


async def _stored(bench: Bench, clip: Path) -> float:
    info = await probe(clip, bench.context.limits)
    before = children_cpu_s()
    opened = await open_clip(clip, info, bench.context, JobParameters(), lambda _: None)
    opened.close()
    return children_cpu_s() - before

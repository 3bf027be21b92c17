"""Profile of one video: a Chrome trace, a flame graph, and the most expensive Python functions.

`trace.json` opens in chrome://tracing and ui.perfetto.dev. The flame graph is made by py-spy, which samples from
outside the process and thus also sees the threads that run the graphs.
"""

import asyncio
import cProfile
import io
import json
import pstats
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dualtrack.children import python_command
from dualtrack.errors import ConfigurationError
from evaluation.bench.clips import make_clip
from evaluation.bench.meters.calls import Call
from evaluation.bench.meters.pipeline import Measured, run_pipeline
from evaluation.bench.plan import BenchPlan
from evaluation.runs.session import open_context
from service.settings import Settings

TRACE, FLAME, FUNCTIONS = "trace.json", "flame.svg", "profile.txt"
OBJECTS = 4
SAMPLES_PER_S = "200"
MOST_FUNCTIONS = 30
STAGES, GRAPHS = 1, 2
"""Lanes of the trace."""
Event = dict[str, object]


async def write_profile(folder: Path, settings: Settings, plan: BenchPlan) -> None:
    """Write the three files into `folder`, created if missing.

    Raises:
        ConfigurationError: py-spy is not installed, or not permitted to trace its child.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dualtrack-bench-") as made:
        clip = await asyncio.to_thread(make_clip, plan.clip, Path(made))
        async with open_context(settings) as context:
            run = await run_pipeline(clip, context, parameters={"max_seeds": OBJECTS})
            profiler = cProfile.Profile()
            profiler.enable()
            await run_pipeline(clip, context, parameters={"max_seeds": OBJECTS})
            profiler.disable()
        (folder / TRACE).write_text(json.dumps(chrome_trace(run)))
        (folder / FUNCTIONS).write_text(_functions(profiler))
        await asyncio.to_thread(_flame, clip, folder / FLAME, Path(made) / "flame")


def chrome_trace(run: Measured) -> Event:
    """A run as Chrome trace events: one lane for stages, one for graph calls with batch sizes. Times in µs."""
    first = min([call.start_s for call in run.calls] + [when for when, _ in run.steps])
    events = [_lane(STAGES, "stages"), _lane(GRAPHS, "graphs")]
    events += [_span(STAGES, name, start - first, end - start, {}) for name, start, end in stages(run)]
    events += [_call(call, call.start_s - first) for call in run.calls]
    return {"displayTimeUnit": "ms", "traceEvents": events}


def stages(run: Measured) -> Iterator[tuple[str, float, float]]:
    """Name, start and end of each stage, in order; a stage starts where the previous one ended."""
    start = run.steps[0][0]
    for number, (when, progress) in enumerate(run.steps):
        last = number + 1 == len(run.steps)
        if last or run.steps[number + 1][1].stage != progress.stage:
            yield progress.stage, start, when
            start = when


def _call(call: Call, start_s: float) -> Event:
    about: Event = {"batch": call.batch, "frames": call.frames, "cpu_ms": round(call.cpu_s * 1e3, 3)}
    return _span(GRAPHS, call.graph, start_s, call.wall_s, about)


def _span(lane: int, name: str, start_s: float, seconds: float, about: Event) -> Event:
    return {
        "ph": "X",
        "pid": 1,
        "tid": lane,
        "name": name,
        "ts": round(start_s * 1e6),
        "dur": round(seconds * 1e6),
        "args": about,
    }


def _lane(lane: int, name: str) -> Event:
    return {"ph": "M", "pid": 1, "tid": lane, "name": "thread_name", "args": {"name": name}}


def _functions(profiler: cProfile.Profile) -> str:
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).strip_dirs().sort_stats("tottime").print_stats(MOST_FUNCTIONS)
    return text.getvalue()


def _flame(clip: Path, out: Path, folder: Path) -> None:
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        raise ConfigurationError("flame graph: py-spy is not installed; install the extra `evaluation`")
    sampled = python_command("evaluation.bench.subjects.one_video", str(clip), str(folder), str(OBJECTS))
    command = [spy, "record", "--rate", SAMPLES_PER_S, "--threads", "--output", str(out), "--", *sampled]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode or not out.is_file():
        raise ConfigurationError(f"flame graph: py-spy failed: {done.stderr.strip()[-500:]}")

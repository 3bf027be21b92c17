"""Runs and measures the whole pipeline on one file, in this process."""

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dualtrack.digest import sha256_of
from evaluation.bench.meters.calls import Call, CallMeter
from service.pipeline.context import PipelineContext
from service.pipeline.networks import Networks
from service.pipeline.parameters.job_parameters import JobParameters
from service.pipeline.progress import StageProgress
from service.pipeline.store.cache import NoCache, StageCache
from service.pipeline.video_file import segment


@dataclass(frozen=True)
class Measured:
    """The cost of one video.

    Attributes:
        wall_s: from the file to the written result.
        cpu_s: of this process and its children (the decoder).
        child_cpu_s: of the children alone.
        calls: graph calls.
        steps: progress reports, with the time of each (`time.perf_counter`).
    """

    wall_s: float
    cpu_s: float
    child_cpu_s: float
    calls: tuple[Call, ...]
    steps: tuple[tuple[float, StageProgress], ...] = ()

    @property
    def graph_s(self) -> float:
        """CPU seconds inside graphs."""
        return sum(call.cpu_s for call in self.calls)

    def graph_of(self, *names: str) -> float:
        """CPU seconds inside these graphs."""
        return sum(call.cpu_s for call in self.calls if call.graph in names)


async def run_pipeline(
    video: Path,
    context: PipelineContext,
    *,
    cache: StageCache | None = None,
    meter: CallMeter | None = None,
    parameters: Mapping[str, object] | None = None,
) -> Measured:
    """Run a file through the pipeline without an overlay.

    Args:
        video: the file.
        context: networks and folders; its cache is not used.
        cache: results of earlier runs to reuse, if any.
        meter: to record the calls with; pass one to read the kept inputs afterwards.
        parameters: of the job, by name; `min_score` is 0 unless it is among them, so that the cost of an object does
            not depend on whether its score is high enough.
    """
    meter = meter or CallMeter(context.networks.client)
    opened = replace(context, networks=Networks(meter, context.networks.manifest), cache=cache or NoCache())
    steps: list[tuple[float, StageProgress]] = []
    out = context.scratch / f"out-{video.stem}-{time.perf_counter_ns()}"
    chosen = JobParameters.model_validate({"overlay": False, "min_score": 0, **(parameters or {})})
    start, cpu, children = time.perf_counter(), time.process_time(), children_cpu_s()
    digest = sha256_of(video)
    await segment(video, out, sha256=digest, context=opened, parameters=chosen, report=_noting(steps))
    own, child = time.process_time() - cpu, children_cpu_s() - children
    return Measured(time.perf_counter() - start, own + child, child, tuple(meter.calls), tuple(steps))


def children_cpu_s() -> float:
    """CPU seconds of all terminated children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _noting(steps: list[tuple[float, StageProgress]]) -> Callable[[StageProgress], None]:
    return lambda progress: steps.append((time.perf_counter(), progress))

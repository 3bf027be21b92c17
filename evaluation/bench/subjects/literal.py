"""Row 1: the literal implementation compared with ours."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from evaluation.bench.bench import Bench
from evaluation.bench.figures import Figure, RowOutcome
from evaluation.bench.meters.pipeline import children_cpu_s
from evaluation.data.dataset import AnnotatedVideo
from evaluation.runs.methods import finish
from evaluation.runs.parameters import EvaluationParameters
from evaluation.runs.session import open_run
from service.calibration.class_calibration import calibrate
from service.calibration.seeds import next_seeds
from service.pipeline.features.by_frame import FeatureCache
from service.pipeline.run import Run, detect_all
from service.pipeline.store.cache import NoCache
from service.pipeline.tracks.tracker import Tracker
from service.structures.detections import Candidate, Detections

OBJECTS = 4


async def literal(bench: Bench) -> RowOutcome:
    """CPU time of decoding, detection, tracking and merging; only tracking differs."""
    if find_spec("onnx") is None:
        return RowOutcome(why_not="needs onnx; install the extra `evaluation`")
    clip = await asyncio.to_thread(bench.clip, replace(bench.plan.clip, frames=bench.plan.literal_frames))
    before = _cpu_s()
    parameters = EvaluationParameters(max_seeds=OBJECTS)
    async with open_run(_unannotated(clip), replace(bench.context, cache=NoCache()), parameters) as run:
        bench.notify("detection")
        features = FeatureCache(run.clip, run.canvas, run.networks, max_bytes=run.feature_bytes, spill=run.spill)
        calibrated = calibrate(await detect_all(run, features), run.params.calibration)
        seeds = next_seeds(calibrated, run.params.proposals, room=OBJECTS)
        shared = _cpu_s() - before
        ours = await _tracked(run, calibrated, seeds, features)
        bench.notify(f"literal, {len(seeds)} objects, {len(calibrated)} frames")
        theirs = await _literally(bench, run, calibrated, seeds)
    cpu = f"CPU: shared {shared:.1f} s, tracking {ours:.1f} s, literally {theirs:.1f} s"
    note = f"{len(seeds)} objects, {len(calibrated)} frames; {cpu}"
    return RowOutcome((Figure("", (shared + theirs) / (shared + ours), "", 10, at_least=True),), notes=(note,))


async def _tracked(
    run: Run, calibrated: Sequence[Detections], seeds: Sequence[Candidate], features: FeatureCache
) -> float:
    before = _cpu_s()
    tracker = Tracker(run.networks, run.canvas, run.params.tracker, features, calibrated)
    finish(await tracker.track(seeds, lambda *_: None), calibrated, run.params.tubelets)
    return _cpu_s() - before


async def _literally(bench: Bench, run: Run, calibrated: Sequence[Detections], seeds: Sequence[Candidate]) -> float:
    # only this row needs onnx, which the service does not depend on
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    from evaluation.baselines.literal.graphs import open_graphs  # noqa: PLC0415
    from evaluation.baselines.literal.tracker import LiteralTracker  # noqa: PLC0415

    graphs = await asyncio.to_thread(open_graphs, run.networks.manifest, bench.settings.threads)
    before = _cpu_s()
    tracker = LiteralTracker(graphs, run.networks, run.clip, run.canvas, run.params.tracker, calibrated)
    # for many small products OpenBLAS's threads spend more time on synchronization than on work
    with threadpool_limits(1, "blas"):
        finish(await tracker.track(seeds, lambda *_: None), calibrated, run.params.tubelets)
    return _cpu_s() - before


def _cpu_s() -> float:
    return time.process_time() + children_cpu_s()


def _unannotated(path: Path) -> AnnotatedVideo:
    """A video file in the form that `open_run` takes."""
    return AnnotatedVideo(id=0, name=path.stem, path=path, frames=(), exhaustive=False, record={})

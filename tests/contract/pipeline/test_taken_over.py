"""What a second run of a video makes anew, and what it takes over: stage by stage, with the fake networks."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.inference.fake.client import FakeClient
from service.inference.fake.detector import PALETTE
from service.inference.repository.manifest import load_manifest
from service.pipeline.networks import Networks
from service.pipeline.parameters.params import PipelineParams
from service.pipeline.run import Run, process_video
from tests.support.clips import stored
from tests.support.fake_runs import default_params
from tests.support.pipelines import REPOSITORY
from tests.support.recording import MemoryCache, RecordingClient, stage_of
from tests.support.scenes import Rectangle, draw

RED = Rectangle(PALETTE[0], 20, 20, 40, 60, step_xy=(5, 2))
FRAMES = np.stack([draw([RED], t, (144, 240)) for t in range(8)])
PARAMS = default_params(FRAMES)
ALL = {"shots", "detections", "tubelets"}
Change = Callable[[Run], Run]


def process(path: Path, cache: MemoryCache, change: Change) -> set[str]:
    """The graphs that a run calls."""
    clip, manifest = stored(path, FRAMES), load_manifest(REPOSITORY)
    client = RecordingClient(FakeClient(manifest.dims))
    networks = Networks(client, manifest)
    run = Run(clip, "made", networks, PARAMS, cache, feature_bytes=1 << 28, report=lambda _: None)
    try:
        asyncio.run(process_video(change(run)))
    finally:
        clip.close()
    return {call.graph for call in client.calls}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a run with the defaults keeps; it detects, tracks, and looks for shots."""
    cache = MemoryCache()
    process(tmp_path_factory.mktemp("first") / "clip", cache, lambda run: run)
    assert sorted(stage_of(key) for key in cache.kept) == sorted(ALL)
    assert set(cache.written) <= set(cache.asked)
    return cache.kept


def with_params(params: PipelineParams) -> Change:
    return lambda run: replace(run, params=params)


def of_part(part: str, **values: object) -> Change:
    return with_params(replace(PARAMS, **{part: replace(getattr(PARAMS, part), **values)}))


def other_release(run: Run) -> Run:
    manifest = replace(run.networks.manifest, release="other")
    return replace(run, networks=replace(run.networks, manifest=manifest))


FUSION = replace(PARAMS.tracker.fusion, margin=1.5)


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        pytest.param(lambda run: run, set(), id="nothing"),
        pytest.param(of_part("tubelets", th_seq=0.9), set(), id="th_seq"),
        pytest.param(of_part("tubelets", match_iou=0.2), set(), id="match_iou"),
        pytest.param(of_part("tubelets", min_score=0.9), set(), id="min_score"),
        pytest.param(of_part("calibration", th_cc=0.5), set(), id="th_cc"),
        pytest.param(of_part("chunks", stitch_iou=0.2), set(), id="stitch_iou"),
        pytest.param(of_part("tracker", fusion=FUSION), {"tubelets"}, id="margin"),
        pytest.param(of_part("detector", th_det=0.3), {"detections", "tubelets"}, id="th_det"),
        pytest.param(other_release, {"detections", "tubelets"}, id="other models"),
        pytest.param(with_params(replace(PARAMS, track_fps=5.0)), ALL, id="track_fps"),
        pytest.param(lambda run: replace(run, cache_name="other"), ALL, id="other video"),
    ],
)
def test_a_second_run_recomputes(change: Change, anew: set[str], first: dict[str, bytes], tmp_path: Path) -> None:
    cache = MemoryCache(dict(first))
    called = process(tmp_path / "clip", cache, change)
    assert {stage_of(key) for key in cache.written} == anew
    assert {stage_of(key) for key in cache.kept.keys() - first.keys()} == anew
    assert bool(called) == bool(anew)

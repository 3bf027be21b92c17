"""Clips of many frames per second through the whole pipeline, with the fake networks."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.inference.fake.client import FakeClient
from service.inference.fake.detector import PALETTE
from service.inference.repository.manifest import load_manifest
from service.media.frames.clip import Clip
from service.pipeline.fill import FillStage
from service.pipeline.networks import Networks
from service.pipeline.parameters.params import DetectorParams, preset
from service.pipeline.progress import StageProgress
from service.pipeline.run import Run, process_video, step_of, thinned
from service.pipeline.store.cache import FolderCache, NoCache, StageCache
from service.structures.masks import decode
from service.structures.tubelets import LabeledTubelet
from service.tracking.params import ChunkParams
from tests.support.clips import stored
from tests.support.pipelines import REPOSITORY
from tests.support.scenes import Rectangle, draw

HW = (144, 240)
FRAMES = 9
RED = Rectangle(PALETTE[0], 20, 20, 40, 60, step_xy=(3, 1))
LATE = Rectangle(PALETTE[2], 150, 20, 30, 40)


@pytest.fixture
def clip(tmp_path: Path) -> Iterator[Clip]:
    """At 24 frames per second."""
    clip = stored(tmp_path / "clip", np.stack([draw([RED], t, HW) for t in range(FRAMES)]))
    clip.info = replace(clip.info, fps=24.0)
    yield clip
    clip.close()


@pytest.fixture
def long(tmp_path: Path) -> Iterator[Clip]:
    """40 frames, one object all the time, one in the first third, one in the last."""
    first, last = (replace(LATE, hidden=hidden) for hidden in (range(13, 40), range(28)))
    frames = np.stack([draw([replace(RED, step_xy=(1, 0)), first, replace(last, x1=150)], t, HW) for t in range(40)])
    clip = stored(tmp_path / "long", frames)
    clip.info = replace(clip.info, fps=24.0)
    yield clip
    clip.close()


def opened(
    clip: Clip, track_fps: float, cache: StageCache | None = None, seen: list[StageProgress] | None = None
) -> Run:
    manifest = load_manifest(REPOSITORY)
    params = replace(preset("default"), detector=DetectorParams(short_side=HW[0]), track_fps=track_fps)
    networks = Networks(FakeClient(manifest.dims), manifest)
    report = (lambda _: None) if seen is None else seen.append
    return Run(clip, "synthetic", networks, params, cache or NoCache(), feature_bytes=1 << 28, report=report)


@pytest.mark.parametrize(("track_fps", "step"), [(12, 2), (8, 3), (6, 4)])
def test_frames_between_are_filled_in(track_fps: float, step: int, clip: Clip) -> None:
    seen: list[StageProgress] = []
    run = opened(clip, track_fps, seen=seen)
    assert step_of(run) == step
    (found,) = asyncio.run(process_video(run)).tubelets
    assert found.tubelet.frames == tuple(range(FRAMES))
    for t, mask in enumerate(found.tubelet.masks):
        truth = np.zeros(HW, np.bool_)
        x1, y1, x2, y2 = RED.box(t)
        truth[y1:y2, x1:x2] = True
        assert mask is not None
        assert (decode(mask) & truth).sum() / (decode(mask) | truth).sum() > 0.75, f"frame {t}"
    detected = [progress.done for progress in seen if progress.stage == "detect"]
    assert len(detected) == len(range(0, FRAMES, step))
    assert detected[-1] == FRAMES


@pytest.mark.parametrize("track_fps", [0, 24, 30])
def test_every_frame_is_tracked_where_that_is_wanted_or_the_clip_is_slow(track_fps: float, clip: Clip) -> None:
    run = opened(clip, track_fps)
    assert thinned(run) is run


def test_a_rate_that_is_not_known_is_not_lowered(clip: Clip) -> None:
    clip.info = replace(clip.info, fps=0.0)
    assert step_of(opened(clip, 12)) == 1


@pytest.mark.parametrize("track_fps", [12, 6])
def test_chunks_are_filled_one_by_one_as_all_at_once(track_fps: float, long: Clip) -> None:
    seen: list[StageProgress] = []
    run = opened(long, track_fps, seen=seen)
    run = replace(run, params=replace(run.params, chunks=ChunkParams(frames=8, overlap=2)))
    found = asyncio.run(process_video(run))
    reported = list(seen)
    assert len(found.chunks) > 1
    assert found.chunks[-1].chunk.end == len(long)

    async def at_once() -> list[LabeledTubelet]:
        tracked = await process_video(thinned(run))
        fill = FillStage(long, step_of(run), run.canvas, run.params.tracker.fusion, lambda _: None)
        return await fill.fill_settled([], tracked.tubelets)

    assert [entries(item) for item in found.tubelets] == [entries(item) for item in asyncio.run(at_once())]
    assert sorted(item.id for item in found.tubelets) == [1, 2, 3]
    for stage in ("detect", "calibrate", "track", "merge", "fill"):
        done = [step.done for step in reported if step.stage == stage]
        assert done == sorted(done), stage
        assert done[-1] == len(long), stage
    assert {step.total for step in reported} == {len(long)}


def entries(item: LabeledTubelet) -> tuple[object, ...]:
    tubelet = item.tubelet
    arrays = tubelet.boxes.tobytes(), tubelet.scores.tobytes()
    return item.id, item.label, item.score, tubelet.seed.frame, tubelet.start, list(tubelet.masks), *arrays


def test_a_video_in_which_nothing_is_found_is_not_read_to_be_filled(clip: Clip) -> None:
    seen: list[StageProgress] = []
    run = opened(clip, 12, seen=seen)
    run = replace(run, params=replace(run.params, calibration=replace(run.params.calibration, th_key=1.0)))
    assert asyncio.run(process_video(run)).tubelets == []
    assert "fill" not in {step.stage for step in seen}


def test_cache_keeps_the_rates_apart(clip: Clip, tmp_path: Path) -> None:
    cache = FolderCache(tmp_path / "cache", max_bytes=1 << 30)
    for track_fps in (12, 0, 6, 12, 0):
        (found,) = asyncio.run(process_video(opened(clip, track_fps, cache))).tubelets
        assert found.tubelet.frames == tuple(range(FRAMES))

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
from service.media.clip import Clip
from service.pipeline.frame_rate import process_at_rate, step_of, thinned
from service.pipeline.networks import Networks
from service.pipeline.params import DetectorParams, preset
from service.pipeline.run import Run, StageProgress
from service.pipeline.store.cache import FolderCache, NoCache, StageCache
from service.structures.masks import decode
from tests.clips import stored
from tests.pipelines import REPOSITORY
from tests.scenes import Rectangle, draw

HW = (144, 240)
FRAMES = 9
RED = Rectangle(PALETTE[0], 20, 20, 40, 60, step_xy=(3, 1))


@pytest.fixture
def clip(tmp_path: Path) -> Iterator[Clip]:
    """At 24 frames per second."""
    clip = stored(tmp_path / "clip", np.stack([draw([RED], t, HW) for t in range(FRAMES)]))
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
    (found,) = asyncio.run(process_at_rate(run)).tubelets
    assert found.tubelet.frames == tuple(range(FRAMES))
    for t, mask in enumerate(found.tubelet.masks):
        truth = np.zeros(HW, np.bool_)
        x1, y1, x2, y2 = RED.box(t)
        truth[y1:y2, x1:x2] = True
        assert mask is not None
        assert (decode(mask) & truth).sum() / (decode(mask) | truth).sum() > 0.75, f"frame {t}"
    detected = [progress for progress in seen if progress.stage == "detect"]
    assert detected[-1].done == detected[-1].total == len(range(0, FRAMES, step))


@pytest.mark.parametrize("track_fps", [0, 24, 30])
def test_every_frame_is_tracked_where_that_is_wanted_or_the_clip_is_slow(track_fps: float, clip: Clip) -> None:
    run = opened(clip, track_fps)
    assert thinned(run) is run


def test_a_rate_that_is_not_known_is_not_lowered(clip: Clip) -> None:
    clip.info = replace(clip.info, fps=0.0)
    assert step_of(opened(clip, 12)) == 1


def test_cache_keeps_the_rates_apart(clip: Clip, tmp_path: Path) -> None:
    cache = FolderCache(tmp_path / "cache", max_bytes=1 << 30)
    for track_fps in (12, 0, 6, 12, 0):
        (found,) = asyncio.run(process_at_rate(opened(clip, track_fps, cache))).tubelets
        assert found.tubelet.frames == tuple(range(FRAMES))

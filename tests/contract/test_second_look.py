"""The whole pipeline with the fake networks: outlines are finer with a second look."""

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np

from service.inference.fake import FakeClient
from service.inference.fake_detector import PALETTE
from service.inference.repository import load_manifest
from service.pipeline.cache import NoCache
from service.pipeline.networks import Networks
from service.pipeline.params import DetectorParams, preset
from service.pipeline.run import Run, process_video
from service.structures.masks import decode
from tests.clips import stored
from tests.pipelines import REPOSITORY
from tests.scenes import Rectangle, draw

HW = (144, 240)
FRAMES = 3
RED = Rectangle(PALETTE[0], 20, 21, 63, 87, step_xy=(5, 2))


def overlaps(path: Path, second_look: float) -> list[float]:
    """IoU with the rectangle, frame by frame."""
    clip = stored(path, np.stack([draw([RED], t, HW) for t in range(FRAMES)]))
    manifest = load_manifest(REPOSITORY)
    base = preset("default")
    fusion = replace(base.tracker.fusion, second_look=second_look)
    detector = DetectorParams(short_side=HW[0])
    params = replace(base, detector=detector, tracker=replace(base.tracker, fusion=fusion))
    networks = Networks(FakeClient(manifest.dims), manifest)
    run = Run(clip, "synthetic", networks, params, NoCache(), feature_bytes=1 << 28, report=lambda _: None)
    try:
        (found,) = asyncio.run(process_video(run)).tubelets
    finally:
        clip.close()
    result = []
    for t, rle in enumerate(found.tubelet.masks):
        assert rle is not None
        truth = np.zeros(HW, np.bool_)
        x1, y1, x2, y2 = RED.box(t)
        truth[y1:y2, x1:x2] = True
        mask = decode(rle)
        result.append(float((mask & truth).sum() / (mask | truth).sum()))
    return result


def test_a_box_above_the_limit_gets_a_finer_outline(tmp_path: Path) -> None:
    once, twice = (overlaps(tmp_path / f"clip-{second_look}", second_look) for second_look in (0, 1))
    assert min(twice) > 0.85
    # the first frame is the detector's
    assert np.mean(twice[1:]) > np.mean(once[1:])

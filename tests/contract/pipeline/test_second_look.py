"""The whole pipeline with the fake networks: outlines are finer with a second look."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from service.inference.fake.detector import PALETTE
from service.structures.masks import decode
from tests.support.fake_runs import default_params, process
from tests.support.scenes import Rectangle, draw

HW = (144, 240)
FRAMES = 3
RED = Rectangle(PALETTE[0], 20, 21, 63, 87, step_xy=(5, 2))


def overlaps(path: Path, second_look: float) -> list[float]:
    """IoU with the rectangle, frame by frame."""
    frames = np.stack([draw([RED], t, HW) for t in range(FRAMES)])
    base = default_params(frames)
    fusion = replace(base.tracker.fusion, second_look=second_look)
    (found,) = process(frames, path, replace(base, tracker=replace(base.tracker, fusion=fusion))).tubelets
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

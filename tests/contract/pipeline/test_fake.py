"""The fake networks really find, follow and cut out: a synthetic clip goes through the whole pipeline."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.inference.fake.detector import PALETTE
from service.structures.masks import decode
from service.structures.tubelets import LabeledTubelet
from service.tracking.params import TubeletParams
from tests.support import fake_runs
from tests.support.scenes import Rectangle, draw

HW = (144, 240)
RED = Rectangle(PALETTE[0], 20, 20, 40, 60, step_xy=(5, 2))
BLUE = Rectangle(PALETTE[2], 170, 60, 30, 40, step_xy=(-2, 1))


def process(rectangles: list[Rectangle], frames: int, path: Path) -> list[LabeledTubelet]:
    """Tubelets of a clip, of any score: calibration lowers those of an object in one frame."""
    images = np.stack([draw(rectangles, t, HW) for t in range(frames)])
    params = replace(fake_runs.default_params(images), tubelets=TubeletParams(min_score=0))
    return fake_runs.process(images, path, params).tubelets


def iou(mask: np.ndarray, rectangle: Rectangle, frame: int) -> float:
    x1, y1, x2, y2 = rectangle.box(frame)
    truth = np.zeros(HW, bool)
    truth[y1:y2, x1:x2] = True
    return float((mask & truth).sum() / (mask | truth).sum())


def test_two_objects_become_two_tubelets(tmp_path: Path) -> None:
    found = process([RED, BLUE], 10, tmp_path / "clip")
    assert sorted(item.label for item in found) == [0, 2]
    for item in found:
        wanted = RED if item.label == 0 else BLUE
        assert item.tubelet.frames == tuple(range(10))
        for t, mask in enumerate(item.tubelet.masks):
            assert mask is not None
            assert iou(decode(mask), wanted, t) > 0.8, f"class {item.label}, frame {t}"


def test_an_object_is_lost_while_hidden_and_found_again(tmp_path: Path) -> None:
    (found,) = process([replace(RED, hidden=range(4, 7))], 10, tmp_path / "clip")
    assert found.tubelet.frames == (0, 1, 2, 3, 7, 8, 9)


@pytest.mark.parametrize("seen", [0, 3, 9])
def test_an_object_in_one_frame_only(seen: int, tmp_path: Path) -> None:
    blink = replace(BLUE, hidden=[t for t in range(10) if t != seen])
    steady, brief = sorted(process([RED, blink], 10, tmp_path / "clip"), key=lambda item: item.label)
    assert steady.tubelet.frames == tuple(range(10))
    assert (brief.label, brief.tubelet.frames) == (2, (seen,))


def test_nothing_to_find(tmp_path: Path) -> None:
    assert process([], 3, tmp_path / "clip") == []


@pytest.mark.parametrize("color", range(len(PALETTE)))
def test_every_palette_color_is_its_own_class(color: int, tmp_path: Path) -> None:
    (found,) = process([replace(BLUE, color=PALETTE[color])], 2, tmp_path / "clip")
    assert found.label == color

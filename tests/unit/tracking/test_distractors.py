"""docs/method.md, section 5.4: other objects near a track, and which samples and pixels they cover."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.structures.canvas import Canvas
from service.structures.detections import Detections
from service.structures.masks import decode, decode_part, encode, filled
from service.tracking.distractors import covered_pixels, covered_samples, distractors
from service.tracking.params import FusionParams
from service.tracking.windows import crop_mask

HW = (80, 120)
CANVAS = Canvas(HW, (160, 240))
BOX = np.array([80, 40, 120, 80], np.float32)
"""40..60 and 20..40 px in the original frame."""
WINDOW = np.array([60, 20, 140, 100], np.float32)
"""30..70 and 10..50 px in the original frame."""
PARAMS = FusionParams(distractor_score=0.5)


def detections(*boxes: tuple[float, ...], scores: tuple[float, ...] | None = None) -> Detections:
    given_boxes = np.array(boxes, np.float32).reshape(len(boxes), 4)
    probs = np.array([[0.1, score] for score in scores or (0.9,) * len(boxes)], np.float32).reshape(len(boxes), 2)
    return Detections(0, given_boxes, probs, tuple(filled(box, HW) for box in given_boxes))


@pytest.mark.parametrize(
    ("box", "score", "near"),
    [
        pytest.param((62, 20, 80, 40), 0.9, True, id="beside the track"),
        pytest.param((51, 20, 71, 40), 0.9, True, id="less than half of it shared"),
        pytest.param((50, 20, 70, 40), 0.9, False, id="half of it shared"),
        pytest.param((40, 20, 60, 40), 0.9, False, id="the track itself"),
        pytest.param((44, 24, 50, 30), 0.9, False, id="a part of the track"),
        pytest.param((20, 0, 110, 70), 0.9, False, id="around the track"),
        pytest.param((62, 20, 80, 40), 0.5, True, id="just sure enough"),
        pytest.param((62, 20, 80, 40), 0.49, False, id="not sure enough"),
        pytest.param((70, 20, 80, 40), 0.9, False, id="at the edge of the window"),
        pytest.param((69, 49, 80, 70), 0.9, True, id="in the corner of the window"),
        pytest.param((90, 60, 110, 70), 0.9, False, id="far away"),
    ],
)
def test_which_candidates_are_other_objects(box: tuple[float, ...], score: float, *, near: bool) -> None:
    found = distractors(BOX, WINDOW, detections(box, scores=(score,)), CANVAS, PARAMS)
    assert found is not None
    assert [corner for _, corner in found] == [(box[0], box[1])] * near


def test_a_candidate_whose_mask_has_no_pixel_covers_nothing() -> None:
    box = (62, 20, 80, 40)
    empty = replace(detections(box), masks=(encode(np.zeros(HW, np.bool_)),))
    found = distractors(BOX, WINDOW, empty, CANVAS, PARAMS)
    assert found == []
    assert not covered_samples(found, WINDOW / 2, 64).any()


def test_every_candidate_is_judged_alone() -> None:
    found = distractors(BOX, WINDOW, detections((62, 20, 80, 40), (90, 60, 110, 70), (40, 20, 60, 40)), CANVAS, PARAMS)
    assert found is not None
    assert [corner for _, corner in found] == [(62, 20)]


def test_a_candidate_that_reaches_into_the_window_by_a_pixel() -> None:
    found = distractors(BOX, WINDOW, detections((69.5, 49.5, 80, 70)), CANVAS, PARAMS)
    assert found is not None
    assert len(found) == 1


def test_no_candidates() -> None:
    assert distractors(BOX, WINDOW, detections(), CANVAS, PARAMS) == []


@pytest.mark.parametrize(
    "params",
    [
        pytest.param(FusionParams(distractor_score=0), id="disabled"),
        pytest.param(FusionParams(kind="none", distractor_score=0.5), id="pixel tracker alone"),
        pytest.param(FusionParams(kind="instance", distractor_score=0.5), id="Siamese tracker alone"),
    ],
)
def test_without_the_rule(params: FusionParams) -> None:
    assert distractors(BOX, WINDOW, detections((62, 20, 80, 40)), CANVAS, params) is None


def test_what_calibration_and_categories_change_does_not_matter() -> None:
    """The scores are the detections' own; `raw` may be missing for detections that were given."""
    given_boxes = detections((62, 20, 80, 40))
    without = replace(given_boxes, raw=np.zeros((1, 2), np.float32))
    assert len(distractors(BOX, WINDOW, without, CANVAS, PARAMS) or ()) == 1


@given(st.integers(0, 2**32 - 1))
def test_covered_pixels_are_those_of_the_masks(seed: int) -> None:
    random = np.random.default_rng(seed)
    low = random.integers(0, (100, 60), (3, 2))
    boxes = np.concatenate([low, low + random.integers(1, 20, (3, 2))], axis=1).astype(np.float32)
    masks = [filled(box, HW) for box in boxes]
    whole = np.any([decode(mask) for mask in masks], axis=0)
    x, y = (int(value) for value in random.integers(0, (90, 50)))
    rows, columns = (int(value) for value in random.integers(1, 30, 2))
    part = whole[y : y + rows, x : x + columns]
    found = covered_pixels([decode_part(mask) for mask in masks], part.shape, (x, y))
    np.testing.assert_array_equal(found, part)


def test_covered_samples_are_those_of_the_masks() -> None:
    masks = [filled(np.array(box, np.float32), HW) for box in ((0, 0, 35, 20), (60, 30, 90, 79))]
    whole = np.any([decode(mask) for mask in masks], axis=0)
    found = covered_samples([decode_part(mask) for mask in masks], WINDOW / 2, 16)
    np.testing.assert_array_equal(found, crop_mask(whole, WINDOW / 2, 16) >= 0.5)
    assert 0 < found.sum() < found.size
    assert not covered_samples([], WINDOW, 16).any()

"""docs/method.md, section 5.2: what is found again must look like the seed, the more so the longer it was gone."""

from dataclasses import replace

import numpy as np
import pytest

from service.structures.masks import encode
from service.tracking.dual_tracker import TrackState
from service.tracking.params import LostParams
from service.tracking.recognition import Appearance, absence, agreement, appearance_in, recognized
from tests.unit.builders import HW, frame, mask

PARAMS = LostParams(agree=0.8)
BOX = np.array([40, 40, 56, 56], np.float32)
FAR = BOX + np.float32(64)
"""Four sizes away in both directions."""


def lost(frames: int) -> TrackState:
    nothing = np.zeros((2, 2), np.float32)
    return replace(TrackState(0, BOX, BOX, nothing, nothing[None]), lost=True, lost_frames=frames)


def seen(look: float | None = 0.0, *raw: float) -> Appearance:
    """Of a look at that distance from the seed's."""
    return Appearance(np.array([] if look is None else [look, 0], np.float16), np.array(raw, np.float32))


SEED = seen(0, 0.9, 0.1)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(seen(0, 0.9, 0.1), 1, id="the same"),
        pytest.param(seen(0, 0.45, 0.05), 1, id="a weaker detection of the same classes"),
        pytest.param(seen(0, 0.0, 0.7), 0.1 / np.hypot(0.9, 0.1), id="another class"),
        pytest.param(seen(1, 0.9, 0.1), np.exp(-1), id="another look"),
        pytest.param(seen(1), np.exp(-1), id="no class vector: the look decides"),
        pytest.param(seen(1, 0, 0), np.exp(-1), id="a class vector of zeros is none"),
        pytest.param(seen(1, 0.9, 0.1, 0), np.exp(-1), id="a class vector over other classes says nothing"),
        pytest.param(seen(None, 0.9, 0.1), 1, id="no look: the class vector decides"),
        pytest.param(seen(None), 1, id="nothing is known"),
    ],
)
def test_agreement_is_the_lower_one_of_what_both_have(other: Appearance, expected: float) -> None:
    assert agreement(SEED, other) == pytest.approx(expected, abs=1e-3)
    assert agreement(other, SEED) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("frames", "box", "expected"),
    [
        pytest.param(1, BOX, 1, id="in its place"),
        pytest.param(30, BOX, 30, id="in its place after long"),
        pytest.param(1, FAR, 4 * np.sqrt(2) / 0.25, id="far away at once"),
        pytest.param(30, FAR, 30, id="far away after long"),
    ],
)
def test_a_distance_counts_as_frames(frames: int, box: np.ndarray, expected: float) -> None:
    assert absence(lost(frames), box) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("aside", "expected"),
    [
        pytest.param((60, 0), 4, id="its-size-to-the-right"),
        pytest.param((0, -60), 4, id="its-size-up"),
        pytest.param((36, 48), 4, id="its-size-diagonally"),
        pytest.param((15, 0), 1, id="a-quarter"),
    ],
)
def test_distance_is_that_of_the_centers_in_sizes(aside: tuple[int, int], expected: float) -> None:
    """A box of 90 x 40 px, so its size is 60 px, and one of another size; a quarter counts as a frame."""
    gone = replace(lost(0), box=np.array([260, 240, 350, 280], np.float32))
    center = np.array([305, 260]) + aside
    assert (
        absence(gone, np.concatenate([center - np.array([10, 5]), center + np.array([10, 5])]).astype(np.float32))
        == expected
    )


def test_a_box_without_extent_has_the_size_of_a_pixel() -> None:
    gone = replace(lost(0), box=np.array([10, 10, 10, 10], np.float32))
    assert absence(gone, gone.box + np.float32([3, 4, 3, 4])) == pytest.approx(5 / 0.25)


@pytest.mark.parametrize(
    ("frames", "box", "look", "expected"),
    [
        pytest.param(1, BOX, 1.3, True, id="after a moment almost anything"),
        pytest.param(8, BOX, 0.95, True, id="after eight frames half"),
        pytest.param(8, BOX, 0.96, False, id="and not less"),
        pytest.param(30, BOX, 0.7, False, id="after thirty frames more"),
        pytest.param(30, BOX, 0.65, True, id="which the same object has"),
        pytest.param(1, FAR, 0.95, False, id="far away more at once"),
    ],
)
def test_the_longer_the_gap_the_more_must_agree(frames: int, box: np.ndarray, look: float, expected: bool) -> None:
    # exp(-0.95²) = 0.406, exp(-0.96²) = 0.398, exp(-0.7²) = 0.613, exp(-0.65²) = 0.655
    assert recognized(SEED, seen(look, 0.9, 0.1), lost(frames), box, PARAMS) == expected


def test_agreement_is_not_required_at_zero() -> None:
    assert recognized(SEED, seen(9, 0.0, 0.9), lost(99), FAR, LostParams(agree=0))


def test_the_class_vector_is_that_of_the_detection_under_the_mask() -> None:
    detections = frame(0, (0, [0.9, 0.0, 0.1]), (30, [0.0, 0.8, 0.2]))
    assert appearance_in(mask(31), SEED.look, detections).raw.tolist() == pytest.approx([0, 0.8, 0.2])
    assert not appearance_in(mask(36), SEED.look, detections).raw.size
    assert not appearance_in(mask(31), SEED.look, frame(0)).raw.size
    assert appearance_in(mask(31), SEED.look, frame(0)).raw.dtype == np.float32
    assert appearance_in(mask(31), SEED.look, frame(0)).look is SEED.look
    assert appearance_in(mask(31), SEED.look, detections).look is SEED.look


@pytest.mark.parametrize(("size", "supported"), [(200, True), (201, False)])
def test_a_detection_supports_a_mask_from_an_iou_of_a_half_on(size: int, supported: bool) -> None:
    """100 px of a mask of 200 px; in a mask of 201 px it is less than a half."""
    image = np.zeros(HW, np.bool_)
    image[5:15, 0:20] = True
    image[20, : size - 200] = True
    assert bool(appearance_in(encode(image), SEED.look, frame(0, (0, [0.9, 0, 0.1]))).raw.size) is supported


def test_the_class_vector_is_the_detectors_own() -> None:
    calibrated = replace(frame(0, (0, [0.9, 0.0, 0.1])), probs=np.zeros((1, 1), np.float32))
    assert appearance_in(mask(0), SEED.look, calibrated).raw.tolist() == pytest.approx([0.9, 0, 0.1])
    assert calibrated.candidate(0).raw.tolist() == pytest.approx([0.9, 0, 0.1])

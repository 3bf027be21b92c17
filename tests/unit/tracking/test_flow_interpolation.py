"""docs/method.md, section 9: what is seen of an object in a tracked frame, and where its mask goes."""

import cv2
import numpy as np
import pytest

from service.structures.canvas import Canvas
from service.structures.masks import bounding_box, decode, encode
from service.tracking.flow_interpolation import FURTHEST, SIDE, Carrier, WindowView
from service.tracking.windows import crop_picture

CARRIER = Carrier(Canvas((120, 200), (60, 100)))
"""The network frame is half as large."""
STEP_X, STEP_Y = 72 / SIDE, 60 / SIDE
"""From one sample to the next in the window below, px of the frame."""


def rectangle(x1: int, y1: int, x2: int, y2: int) -> np.ndarray:
    image = np.zeros((120, 200), np.bool_)
    image[y1:y2, x1:x2] = True
    return image


OBJECT = encode(rectangle(40, 30, 100, 80))
X, Y = (np.arange(SIDE) + 0.5) * STEP_X + 34, (np.arange(SIDE) + 0.5) * STEP_Y + 25
"""Places of the samples in the frame."""


def test_the_window_is_1_2_times_the_box() -> None:
    view = CARRIER.look(OBJECT, np.zeros((60, 100), np.uint8))
    assert (view.window.tolist(), view.window.dtype) == (pytest.approx([34, 25, 106, 85]), np.float32)


def test_brightness_is_that_of_the_network_frame() -> None:
    across = np.tile(np.arange(100, dtype=np.uint8) * 2, (60, 1))
    down = np.tile(np.arange(60, dtype=np.uint8)[:, None] * 4, (1, 100))
    # pixel i of the network frame has its center at i + 0.5, which is 2 i + 1 in the frame
    assert CARRIER.look(OBJECT, across).luma == pytest.approx(np.tile(X - 1, (SIDE, 1)), abs=1)
    assert CARRIER.look(OBJECT, down).luma == pytest.approx(np.tile(2 * (Y - 1)[:, None], (1, SIDE)), abs=1)


def test_distances_are_in_samples_positive_inside_and_bounded() -> None:
    distance = CARRIER.look(OBJECT, np.zeros((60, 100), np.uint8)).distance
    inside = np.outer((Y > 30) & (Y < 80), (X > 40) & (X < 100))
    assert distance.dtype == np.float32
    assert ((distance > 0) == inside).all()
    row = distance[SIDE // 2]
    samples = np.minimum(X - 40, 100 - X) / STEP_X
    assert row == pytest.approx(np.clip(samples, -FURTHEST, FURTHEST), abs=1.2)
    assert (distance.max(), distance[0].max()) == (FURTHEST, pytest.approx(-8, abs=0.6))


def test_far_outside_the_distance_is_bounded_too() -> None:
    """A thin diagonal leaves the corners of its window far away."""
    distance = CARRIER.look(encode(np.eye(120, 200, dtype=np.bool_)), np.zeros((60, 100), np.uint8)).distance
    assert distance.min() == -FURTHEST


def test_both_sides_of_the_outline_are_measured_alike() -> None:
    """It is between samples 7 and 8 of a row."""
    row = CARRIER.look(OBJECT, np.zeros((60, 100), np.uint8)).distance[SIDE // 2]
    assert row[8:16].tolist() == pytest.approx((-row[7::-1]).tolist(), abs=1e-4)


def scene(shift: int) -> np.ndarray:
    """(60, 100): a textured plane that has moved to the right by `shift` px of the network frame."""
    texture = np.random.default_rng(3).uniform(0, 255, (60, 140)).astype(np.float32)
    return np.ascontiguousarray(cv2.GaussianBlur(texture, (0, 0), 2)[:, 20 - shift : 120 - shift]).astype(np.uint8)


@pytest.mark.parametrize("shift", [-3, 0, 3])
def test_beside_a_tracked_frame_the_mask_goes_with_the_picture(shift: int) -> None:
    """The window stays, and the motion is found in the pictures."""
    mask = CARRIER.beyond(CARRIER.look(OBJECT, scene(0)), scene(shift), np.zeros(4, np.float32))
    assert bounding_box(mask) == pytest.approx(np.array([40 + 2 * shift, 30, 100 + 2 * shift, 80]), abs=2)


def test_the_window_moves_as_expected_of_it() -> None:
    """Without texture there is no motion in the window."""
    plain = np.full((60, 100), 100, np.uint8)
    mask = CARRIER.beyond(CARRIER.look(OBJECT, plain), plain, np.array([10, 20, 10, 20], np.float32))
    assert bounding_box(mask) == pytest.approx(np.array([50, 50, 110, 100]), abs=1)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_between_two_tracked_frames_the_mask_goes_with_the_picture(share: float) -> None:
    """From 3 px left to 3 px right, at first fast: in the frame between it is where the picture shows it."""
    before, after = (CARRIER.look(encode(rectangle(40 + x, 30, 100 + x, 80)), scene(x // 2)) for x in (-6, 6))
    mask = CARRIER.between(before, after, scene(2), share)
    assert bounding_box(mask) == pytest.approx(np.array([44, 30, 104, 80]), abs=2)


def test_motion_is_followed_within_a_sample_and_at_the_border() -> None:
    """All that is left of sample 20 belongs to the object; the picture moves 2.5 samples of 10 px to the right."""
    carrier = Carrier(Canvas((960, 960), (192, 192)))
    texture = cv2.GaussianBlur(np.random.default_rng(3).uniform(0, 255, (192, 202)).astype(np.float32), (0, 0), 4)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    still, moved = (np.ascontiguousarray(texture[:, at : at + 192]) for at in (5, 0))
    distance = np.tile(20 - np.arange(SIDE, dtype=np.float32), (SIDE, 1))
    window = np.array([0, 0, 960, 960], np.float32)
    view = WindowView(window, distance, crop_picture(still, window * np.float32(0.2), SIDE))
    mask = decode(carrier.beyond(view, moved, np.zeros(4, np.float32)))[100:-100]
    assert mask[:, :150].all()
    edges = mask.sum(axis=1)
    assert np.median(edges) == pytest.approx(225 + 5, abs=2)
    assert np.abs(edges - 230).mean() < 3

"""Frames between tracked ones: what is filled in is where the object really is, and nothing is made up."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from service.structures.canvas import Canvas
from service.structures.detections import Candidate
from service.structures.masks import Rle, area, bounding_box, decode, encode
from service.structures.masks import filled as filled_rectangle
from service.structures.packed_masks import PackedMasks
from service.structures.tubelets import Tubelet
from service.tracking.flow_interpolation import SIDE, Carrier, WindowView
from service.tracking.gap_filling import Filling, tracked_step
from service.tracking.params import FusionParams

HW = (120, 200)
LENGTH, STEP = 13, 4
Ellipse = Callable[[int], tuple[float, float, float, float]]
"""Frame -> middle x, y and half axes."""


def moving(t: int) -> tuple[float, float, float, float]:
    return 40 + 8 * t, 50 + t, 24, 16


def bouncing(t: int) -> tuple[float, float, float, float]:
    """Comes back between two tracked frames, which a straight line does not know."""
    return 60, 60 + 4 * abs(2 - t % 4), 24, 16


def growing(t: int) -> tuple[float, float, float, float]:
    return 100, 60, 12 + 3 * t, 10 + 2 * t


def shape(ellipse: Ellipse, t: int) -> np.ndarray:
    y, x = np.mgrid[: HW[0], : HW[1]] + 0.5
    cx, cy, a, b = ellipse(t)
    return ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 <= 1


def picture(ellipse: Ellipse, t: int) -> np.ndarray:
    """A textured ellipse before a textured wall, brightness only."""
    random = np.random.default_rng(0)
    wall = cv2.GaussianBlur(random.uniform(0, 255, HW).astype(np.float32), (0, 0), 3)
    coat = cv2.GaussianBlur(random.uniform(0, 255, HW).astype(np.float32), (0, 0), 2)
    cx, cy, a, b = ellipse(t)
    matrix = np.array([[a / 24, 0, cx - a / 24 * 100], [0, b / 16, cy - b / 16 * 60]])
    worn = cv2.warpAffine(coat, matrix, (HW[1], HW[0]), borderMode=cv2.BORDER_WRAP)
    both = np.where(shape(ellipse, t), 1.6 * worn + 60, wall)
    return np.clip(both, 0, 255).astype(np.uint8)


def tubelet(masks: list[Rle | None], seed: int = 0) -> Tubelet:
    boxes = np.array([np.zeros(4) if mask is None else bounding_box(mask) for mask in masks], np.float32)
    scores = np.array([0.0 if mask is None else 1.0 - place / 10 for place, mask in enumerate(masks)], np.float32)
    mask = masks[seed]
    assert mask is not None
    return Tubelet(Candidate(seed, boxes[seed], np.ones(1, np.float32), mask), tuple(masks), boxes, scores)


def filled(ellipse: Ellipse, tracked: Tubelet, length: int = LENGTH, params: FusionParams | None = None) -> Tubelet:
    filling = Filling(tracked, range(0, length, STEP), length, Carrier(Canvas(HW, HW)), params or FusionParams())
    for t in filling.take(tracked, over=True):
        if t % STEP:
            filling.fill(t, lambda t: picture(ellipse, t))
    return filling.tubelet(tracked)


def tracked(ellipse: Ellipse, length: int = LENGTH) -> list[Rle | None]:
    return [encode(shape(ellipse, t)) for t in range(0, length, STEP)]


def overlap(mask: Rle | None, truth: np.ndarray) -> float:
    found = np.zeros(HW, np.bool_) if mask is None else decode(mask)
    return float((found & truth).sum() / (found | truth).sum())


@pytest.mark.parametrize("ellipse", [moving, bouncing, growing])
def test_the_object_is_where_the_pictures_show_it(ellipse: Ellipse) -> None:
    found = filled(ellipse, tubelet(tracked(ellipse)))
    between = [t for t in range(LENGTH) if t % STEP]
    carried = [overlap(found.masks[t], shape(ellipse, t)) for t in between]
    copied = [overlap(found.masks[STEP * round(t / STEP)], shape(ellipse, t)) for t in between]
    assert min(carried) > 0.8
    assert np.mean(carried) > np.mean(copied) + 0.1


def test_tracked_frames_stay_as_they_are() -> None:
    masks = tracked(moving)
    found = filled(moving, tubelet(masks, seed=2))
    assert [found.masks[t] for t in range(0, LENGTH, STEP)] == masks
    assert found.seed.frame == 2 * STEP


def test_boxes_and_scores_go_in_a_straight_line() -> None:
    found = filled(moving, tubelet(tracked(moving)))
    assert found.boxes[2] == pytest.approx((found.boxes[0] + found.boxes[4]) / 2)
    assert found.scores[:5] == pytest.approx([1.0, 0.975, 0.95, 0.925, 0.9])


def test_an_object_that_comes_and_goes_is_there_in_the_nearer_frames() -> None:
    first, second, third, fourth = tracked(moving)
    found = filled(moving, tubelet([None, second, None, fourth], seed=1))
    assert found.frames == (2, 3, 4, 5, 6, 10, 11, 12)
    assert filled(moving, tubelet([first, None, third, None])).frames == (0, 1, 2, 6, 7, 8, 9, 10)
    assert overlap(found.masks[5], shape(moving, 5)) > 0.8
    assert found.boxes[0].tolist() == [0, 0, 0, 0]


def test_the_last_tracked_frame_is_carried_to_the_end() -> None:
    found = filled(moving, tubelet(tracked(moving, 12)), length=12)
    assert found.frames == tuple(range(12))
    assert overlap(found.masks[11], shape(moving, 11)) > 0.6


def test_one_tracked_frame_alone() -> None:
    found = filled(growing, tubelet([encode(shape(growing, 0))]), length=3)
    assert found.frames == (0, 1, 2)


def test_every_tracked_frame_is_looked_at_once() -> None:
    read: list[int] = []
    known = tubelet(tracked(moving))
    filling = Filling(known, range(0, LENGTH, STEP), LENGTH, Carrier(Canvas(HW, HW)), FusionParams())
    for t in filling.take(known, over=True):
        if t % STEP:
            filling.fill(t, lambda t: read.append(t) or picture(moving, t))
    assert sorted(read) == list(range(LENGTH))


def test_what_is_settled_is_packed() -> None:
    """Objects that are there for an hour have to fit in memory."""
    known = tubelet(tracked(moving))
    filling = Filling(known.part(0, 3), range(0, LENGTH, STEP), LENGTH, Carrier(Canvas(HW, HW)), FusionParams())
    filling.take(known.part(0, 3), over=False)
    filling.take(known.part(3, 4), over=True)
    assert [type(piece.masks) for piece in filling._filled] == [PackedMasks, list]
    assert type(filling.tubelet(known).masks) is PackedMasks


def test_too_small_a_mask_counts_as_none() -> None:
    masks = tracked(moving)
    found = filled(moving, tubelet(masks), params=FusionParams(min_area=10_000))
    assert found.frames == tuple(range(0, LENGTH, STEP))


@pytest.mark.parametrize(
    ("width", "frames"), [pytest.param(1, (0, 1, 2, 3, 4), id="a-pixel"), pytest.param(0, (0, 4), id="an-empty-mask")]
)
def test_an_object_of_a_pixel_is_there(width: int, frames: tuple[int, ...]) -> None:
    pixel = encode(np.pad(np.ones((1, width), np.bool_), ((20, HW[0] - 21), (30, HW[1] - 30 - width))))
    found = filled(moving, tubelet([pixel, pixel]), length=5, params=FusionParams(kind="instance", min_area=0))
    assert found.frames == frames


def test_boxes_as_masks_stay_boxes() -> None:
    boxes = [
        encode(np.pad(np.ones((20, 30), np.bool_), ((20, 80), (10 + 8 * t, 160 - 8 * t)))) for t in range(0, 13, 4)
    ]
    found = filled(moving, tubelet(list(boxes)), params=FusionParams(kind="instance"))
    for t, mask in enumerate(found.masks):
        assert mask is not None
        assert (area(mask), bounding_box(mask).tolist()) == (600, [10 + 8 * t, 20, 40 + 8 * t, 40])


@pytest.mark.parametrize(
    ("fps", "track_fps", "step"),
    [
        (24, 12, 2),
        (30, 12, 2),
        (60, 12, 5),
        (29.97, 8, 4),
        (12, 12, 1),
        (10, 12, 1),
        (17, 12, 1),
        (0, 12, 1),
        (60, 0, 1),
    ],
)
def test_about_so_many_frames_are_tracked(fps: float, track_fps: float, step: int) -> None:
    assert tracked_step(fps, track_fps) == step


def rectangles(places: list[int | None]) -> list[Rle | None]:
    """30 x 20 px with the left edge there, None where there is none."""
    return [None if x is None else filled_rectangle(np.array([x, 20, x + 30, 40], np.float32), HW) for x in places]


@pytest.mark.parametrize(
    ("places", "edges"),
    [
        pytest.param([None, 40, 72, 72], {2: 24, 3: 32, 4: 40, 5: 48}, id="backward-as-it-went-on"),
        pytest.param([8, 8, 40, None], {7: 32, 8: 40, 9: 48, 10: 56}, id="forward-as-it-came"),
        pytest.param([None, 40, None, 72], {2: 40, 3: 40, 5: 40, 6: 40, 10: 72, 11: 72}, id="of-unknown-motion"),
    ],
)
def test_beside_the_known_frames_the_box_goes_on_by_its_share_of_the_motion(
    places: list[int | None], edges: dict[int, int]
) -> None:
    found = filled(moving, tubelet(rectangles(places), seed=1), params=FusionParams(kind="instance"))
    boxes = {t: found.boxes[t - found.start].tolist() for t in edges}
    assert boxes == {t: [x, 20, x + 30, 40] for t, x in edges.items()}
    assert [found.mask_at(t) for t in edges] == rectangles(list(edges.values()))


@pytest.mark.parametrize(
    ("min_area", "frames"), [pytest.param(600, 13, id="just-as-large"), pytest.param(601, 4, id="one-px-short")]
)
def test_a_mask_of_the_smallest_area_is_one(min_area: int, frames: int) -> None:
    params = FusionParams(kind="instance", min_area=min_area)
    found = filled(moving, tubelet(rectangles([10, 18, 26, 34])), params=params)
    assert len(found.frames) == frames


def edge_at(x: float, window: list[float]) -> WindowView:
    """An object left of sample column `x`, in a picture of one brightness, which shows no motion."""
    distance = np.tile(x - np.arange(SIDE, dtype=np.float32), (SIDE, 1))
    return WindowView(np.array(window, np.float32), distance, np.zeros((SIDE, SIDE), np.uint8))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(edge_at(20, [0, 0, 96, 96]), edge_at(60, [0, 0, 96, 96]), id="outlines"),
        pytest.param(edge_at(20, [0, 0, 96, 96]), edge_at(20, [40, 0, 136, 96]), id="windows"),
    ],
)
@pytest.mark.parametrize(("share", "x"), [(0.25, 30), (0.5, 40), (0.75, 50)])
def test_the_nearer_frame_counts_more(before: WindowView, after: WindowView, share: float, x: int) -> None:
    """The edge is at 20 px in the frame before and at 60 px in the one after."""
    carrier = Carrier(Canvas(HW, HW))
    mask = decode(carrier.between(before, after, np.zeros(HW, np.uint8), share))
    assert mask[50].nonzero()[0].max() + 1 == x


def test_between_tracked_frames_the_lower_confidence_counts() -> None:
    whole = tracked(moving)
    sure = np.linspace(0.2, 0.9, len(whole)).astype(np.float32)
    sure[1] = 0.1
    found = filled(moving, replace(tubelet(whole), confidence=sure)).confidence
    assert found[::STEP].tolist() == sure.tolist()
    assert found[: 2 * STEP].tolist() == [sure[0]] + [sure[1]] * (2 * STEP - 1)
    assert found[-1] == sure[-1]


def test_before_the_first_tracked_frame_its_confidence_counts() -> None:
    """A tubelet that begins at the second tracked frame, and so right after the first one."""
    sure = np.array([0.9, 0.5, 0.3], np.float32)
    found = filled(moving, replace(tubelet(tracked(moving), seed=1).part(1, 4), confidence=sure))
    assert found.start == 1
    assert found.confidence.tolist() == [sure[0]] * STEP + [sure[1]] * STEP + [sure[2]] * STEP

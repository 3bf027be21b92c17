"""What the overlay draws into a frame."""

import tracemalloc

import cv2
import numpy as np
import pytest

from service.media.children.render import Painter
from service.media.painter import OPACITY, PALETTE, Shape, paint
from service.structures.arrays import U8
from service.structures.masks import encode


def frame() -> U8:
    return np.full((60, 120, 3), 100, np.uint8)


def shape(number: int, x1: int, y1: int, x2: int, y2: int, label: str = "") -> Shape:
    mask = np.zeros((60, 120), np.bool_)
    mask[y1:y2, x1:x2] = True
    return Shape(number, mask, np.array([x1, y1, x2, y2], np.float32), label)


def half(number: int) -> list[int]:
    return [round((100 + color) / 2) for color in PALETTE[number % len(PALETTE)]]


def test_a_mask_is_half_transparent_and_the_rest_stays() -> None:
    image = frame()
    painted = paint(image, [shape(0, 20, 30, 40, 50)])
    assert painted[40, 30].tolist() == pytest.approx(half(0), abs=1)
    assert painted[55, 100].tolist() == [100, 100, 100]
    assert (image == 100).all()


def test_no_shape_no_change() -> None:
    assert (paint(frame(), []) == 100).all()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["large-first", "small-first"])
def test_the_smaller_mask_lies_on_top(order: tuple[int, int]) -> None:
    shapes = [shape(0, 10, 20, 80, 58), shape(1, 40, 40, 60, 50)]
    painted = paint(frame(), [shapes[index] for index in order])
    assert painted[45, 50].tolist() == pytest.approx(half(1), abs=1)


def test_a_box_is_drawn_in_the_objects_color() -> None:
    painted = paint(frame(), [shape(12, 20, 30, 40, 50)])
    assert painted[50, 30].tolist() == list(PALETTE[2])


@pytest.mark.parametrize(
    ("x", "y"),
    [(0, 0), (238, 0), (238, 58), (-30, -30), (300, 300)],
    ids=["top-left", "top", "low", "before", "beyond"],
)
def test_a_label_lies_whole_in_the_frame(x: int, y: int) -> None:
    assert text_pixels(x, y) == text_pixels(100, 40)


def text_pixels(x: int, y: int) -> int:
    box = np.array([x, y, x, y], np.float32)
    painted = paint(np.zeros((60, 240, 3), np.uint8), [Shape(4, np.zeros((60, 240), np.bool_), box, "dog 0.9 #1")])
    return int((painted == 255).all(axis=2).sum())


def test_a_label_is_dark_on_a_bright_color() -> None:
    painted = paint(frame(), [shape(7, 20, 30, 40, 50, "dog")])
    assert (painted[30 - 15 : 30, 20:60] == 0).all(axis=2).any()


@pytest.mark.parametrize("seed", range(5))
def test_painting_parts_is_painting_the_whole_frame(seed: int) -> None:
    """As all of it was tinted and mixed before: overlaps show the smaller object's color over the image, unmixed."""
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (60, 120, 3), np.uint8)
    masks = [np.zeros((60, 120), np.bool_) for _ in range(4)]
    for mask in masks:
        (y1, y2), (x1, x2) = np.sort(random.integers(0, 61, 2)), np.sort(random.integers(0, 121, 2))
        mask[y1:y2, x1:x2] = random.random((y2 - y1, x2 - x1)) < 0.7
    drawings = [
        {
            "id": n + 1,
            "name": "",
            "score": 0,
            "start": 0,
            "masks": [encode(mask).json()],
            "boxes": [[200, 200, 201, 201]],
        }
        for n, mask in enumerate(masks)
    ]
    tint = image.copy()
    for n in sorted(range(4), key=lambda n: -int(masks[n].sum())):
        tint[masks[n]] = PALETTE[n]
    wanted = cv2.addWeighted(tint, OPACITY, image, 1 - OPACITY, 0)
    painted = Painter(drawings).paint(image, 0)
    # labels lie in the upper and lower right corner
    assert np.array_equal(painted[:30, :30], wanted[:30, :30])


@pytest.mark.parametrize(("side", "scale"), [(240, 1), (480, 1), (720, 1.5), (1080, 2.25), (2160, 4.5)])
@pytest.mark.parametrize("turned", [False, True])
def test_labels_and_lines_grow_with_the_frame(side: int, scale: float, turned: bool) -> None:
    image = np.zeros((side * 2, side, 3) if turned else (side, side * 2, 3), np.uint8)
    box = np.array([side * 0.2, side * 0.4, side * 0.8, side * 0.8], np.float32)
    painted = paint(image, [Shape(0, np.zeros((0, 0), np.bool_), box, "dog 0.90 #1")])
    colored = painted.any(axis=2)
    line = colored[int(side * 0.6), : int(side * 0.5)].sum()
    patch = colored[: int(side * 0.4), int(side * 0.2) + 1].sum()
    assert scale - 1 < line < scale + 2
    assert 12 * scale < patch < 18 * scale


def test_the_part_of_a_frame_that_is_painted_is_the_masks() -> None:
    image = np.zeros((2160, 3840, 3), np.uint8)
    mask = np.zeros((2160, 3840), np.bool_)
    mask[100:120, 3000:3100] = True
    drawing = {
        "id": 1,
        "name": "",
        "score": 0,
        "start": 0,
        "masks": [encode(mask).json()],
        "boxes": [[0, 2000, 9, 2100]],
    }
    painted = Painter([drawing]).paint(image, 0)
    assert np.array_equal(np.argwhere(painted[:1500].any(axis=2)), np.argwhere(mask[:1500]))


def test_painting_small_objects_takes_no_more_than_a_copy_of_a_large_frame() -> None:
    image = np.zeros((2160, 3840, 3), np.uint8)
    drawings = []
    for number in range(5):
        mask = np.zeros((2160, 3840), np.bool_)
        mask[200 * number : 200 * number + 150, 500:600] = True
        box = [500, 200 * number, 600, 200 * number + 150]
        drawings.append(
            {"id": number + 1, "name": "", "score": 0, "start": 0, "masks": [encode(mask).json()], "boxes": [box]}
        )
    painter = Painter(drawings)
    tracemalloc.start()
    painter.paint(image, 0)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1.2 * image.nbytes

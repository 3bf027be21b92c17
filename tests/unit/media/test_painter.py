"""What the overlay draws into a frame."""

import numpy as np
import pytest

from service.media.painter import PALETTE, Shape, paint
from service.structures.arrays import U8


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

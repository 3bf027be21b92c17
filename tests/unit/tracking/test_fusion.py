"""docs/method.md, section 5.4: the box map at the samples of a window and at the pixels of a frame."""

import numpy as np
import pytest

from service.tracking.fusion import cut_at_box, fill_box, inside_box
from service.tracking.params import FusionParams

TIGHT = FusionParams(margin=1.0)
WINDOW = np.array([100, 200, 108, 216], np.float32)
"""8 x 8 samples of 1 x 2 px, their centers at 100.5, 101.5, … and 201, 203, …"""


def inside(rows: slice, columns: slice, shape: tuple[int, int]) -> list[list[float]]:
    image = np.zeros(shape)
    image[rows, columns] = 1
    return image.tolist()


@pytest.mark.parametrize(
    ("box", "margin", "rows", "columns"),
    [
        pytest.param([102, 204, 106, 210], 1.0, slice(2, 5), slice(2, 6), id="between-centers"),
        pytest.param([102.5, 203, 105.5, 209], 1.0, slice(1, 5), slice(2, 6), id="edges-at-centers-are-inside"),
        pytest.param([102, 204, 106, 210], 1.5, slice(1, 6), slice(1, 7), id="widened-by-the-margin"),
        pytest.param([0, 0, 300, 300], 1.0, slice(0, 8), slice(0, 8), id="around-the-window"),
        pytest.param([0, 0, 50, 50], 1.0, slice(0, 0), slice(0, 0), id="beside-the-window"),
    ],
)
def test_samples_inside_a_box(box: list[float], margin: float, rows: slice, columns: slice) -> None:
    found = inside_box(np.array(box, np.float32), WINDOW, 8, FusionParams(margin=margin))
    assert (found.tolist(), found.dtype) == (inside(rows, columns, (8, 8)), np.float32)


PIXELS = pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        pytest.param([1, 2, 4, 5], slice(2, 5), slice(1, 4), id="on-edges-of-pixels"),
        pytest.param([1.5, 2.5, 4.5, 5.5], slice(2, 6), slice(1, 5), id="edges-at-centers-are-inside"),
        pytest.param([1.6, 2.6, 4.4, 5.4], slice(3, 5), slice(2, 4), id="centers-outside-are-out"),
        pytest.param([-9, -9, 1, 2], slice(0, 2), slice(0, 1), id="across-the-corner"),
        pytest.param([7, 6, 99, 99], slice(6, 8), slice(7, 10), id="across-the-other-corner"),
        pytest.param([-9, -9, -2, -2], slice(0, 0), slice(0, 0), id="outside"),
        pytest.param([-9, 2, -2, 5], slice(0, 0), slice(0, 0), id="to-the-left"),
        pytest.param([1, -9, 4, -2], slice(0, 0), slice(0, 0), id="above"),
        pytest.param([11, 2, 15, 5], slice(0, 0), slice(0, 0), id="to-the-right"),
        pytest.param([3.6, 3.6, 4.4, 4.4], slice(0, 0), slice(0, 0), id="between-centers"),
    ],
)


@PIXELS
def test_filled_box(box: list[float], rows: slice, columns: slice) -> None:
    found = fill_box(np.array(box, np.float32), (8, 10))
    assert (found.tolist(), found.dtype) == (inside(rows, columns, (8, 10)), np.bool_)


@PIXELS
def test_cut_to_the_pixel(box: list[float], rows: slice, columns: slice) -> None:
    pasted = np.arange(1, 81, dtype=np.float32).reshape(8, 10)
    expected = pasted * inside(rows, columns, (8, 10))
    assert cut_at_box(pasted, np.array(box, np.float32), TIGHT).tolist() == expected.tolist()
    part = cut_at_box(pasted[3:7, 2:9], np.array(box, np.float32), TIGHT, (2, 3))
    assert part.tolist() == expected[3:7, 2:9].tolist()


def test_cut_at_the_widened_box() -> None:
    cut = cut_at_box(np.ones((8, 10), np.float32), np.array([2, 2, 6, 4], np.float32), FusionParams(margin=1.5))
    assert cut.tolist() == inside(slice(1, 5), slice(1, 7), (8, 10))


def test_without_fusion_nothing_is_cut() -> None:
    params = FusionParams(kind="none")
    found = inside_box(np.zeros(4, np.float32), WINDOW, 8, params)
    assert (found.tolist(), found.dtype) == (np.ones((8, 8)).tolist(), np.float32)
    pasted = np.random.default_rng(0).random((8, 10)).astype(np.float32)
    assert cut_at_box(pasted, np.zeros(4, np.float32), params) is pasted

"""Tiles of a large window: together they show what the window shows, finer and without seams."""

import numpy as np
import pytest

from service.tracking.params import FusionParams
from service.tracking.second_look import joined, large, tiles

SIDE = 64
WINDOW = np.array([10.0, -20.0, 458.0, 428.0], np.float32)


def seen(window: np.ndarray, side: int) -> np.ndarray:
    """A smooth picture at the samples of a window."""
    step = (window[2:] - window[:2]) / side
    x = window[0] + (np.arange(side) + 0.5) * step[0]
    y = window[1] + (np.arange(side) + 0.5) * step[1]
    return (np.sin(x / 50)[None, :] * np.cos(y / 70)[:, None]).astype(np.float32)


def test_joined_tiles_are_the_window_with_more_samples() -> None:
    grid = joined(np.stack([seen(tile, SIDE) for tile in tiles(WINDOW, SIDE)]))
    assert (grid.shape, grid.dtype) == ((112, 112), np.float32)
    assert grid == pytest.approx(seen(WINDOW, 112), abs=1e-4)


def test_tiles_cover_the_window_and_overlap() -> None:
    found = tiles(WINDOW, SIDE)
    assert found[0, :2].tolist() == WINDOW[:2].tolist()
    assert found[3, 2:] == pytest.approx(WINDOW[2:])
    assert found[:, 2:] - found[:, :2] == pytest.approx(np.full((4, 2), 448 * 64 / 112))
    assert found[0, 2] - found[1, 0] == pytest.approx(448 * 16 / 112)


def test_between_two_tiles_there_is_no_seam() -> None:
    grid = joined(np.stack([np.full((SIDE, SIDE), value, np.float32) for value in (0.0, 1.0, 0.0, 1.0)]))
    assert np.abs(np.diff(grid, axis=1)).max() < 0.07
    assert (grid[:, 0] == 0).all()
    assert (grid[:, -1] == 1).all()


@pytest.mark.parametrize(
    ("box", "is_large"),
    [
        pytest.param([300, 300, 400, 400], False, id="a-small-box-far-from-the-origin"),
        pytest.param([300, 300, 556, 400], False, id="as-wide-as-four-windows"),
        pytest.param([300, 300, 400, 557], True, id="a-pixel-higher"),
    ],
)
def test_the_longer_side_counts(box: list[float], is_large: bool) -> None:
    found = large(np.array([box], np.float32), SIDE, FusionParams(second_look=4))
    assert (found.tolist(), found.dtype) == ([0] if is_large else [], np.int64)


def test_only_large_boxes_are_looked_at_again() -> None:
    boxes = np.array([[0, 0, 256, 100], [0, 0, 100, 257], [5, 5, 300, 300], [9, 9, 9, 9]], np.float32)
    assert large(boxes, SIDE, FusionParams()).tolist() == [1, 2]
    assert large(boxes, SIDE, FusionParams(second_look=0)).tolist() == []
    assert large(boxes[:0], SIDE, FusionParams()).tolist() == []

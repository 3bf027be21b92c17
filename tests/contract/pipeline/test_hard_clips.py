"""Clips that are hard on the tracking itself, with the fake networks, whose outcome is known."""

from pathlib import Path

import numpy as np
import pytest

from service.inference.fake.detector import PALETTE
from service.structures.arrays import U8
from service.structures.masks import area, decode
from tests.support.fake_runs import process
from tests.support.scenes import Rectangle, draw

HW = (144, 240)
RED = Rectangle(PALETTE[0], 20, 20, 30, 30, step_xy=(4, 0))
SIZES = (8, 16, 40, 80, 160, 300, 160, 80, 40, 16, 8, 3, 0, 0)
"""Sides of a square that grows beyond the frame and shrinks to nothing."""


def breathing(frames: tuple[int, ...]) -> U8:
    """A red square in the middle, as large as `frames` says."""
    shown = [Rectangle(PALETTE[0], (HW[1] - side) // 2, (HW[0] - side) // 2, side, side) for side in frames]
    return np.stack([draw([square], 0, HW) for square in shown])


@pytest.mark.parametrize("sizes", [SIZES, SIZES[::-1]], ids=["grows-first", "shrinks-first"])
def test_a_box_that_covers_the_frame_and_one_that_shrinks_to_nothing(sizes: tuple[int, ...], tmp_path: Path) -> None:
    found = process(breathing(sizes), tmp_path / "clip").tubelets
    best = max(found, key=lambda item: len(item.tubelet.frames)).tubelet
    assert np.isfinite(best.boxes).all()
    for t, side in enumerate(sizes):
        mask = best.masks[t]
        if 16 <= side <= 80:
            assert mask is not None, f"frame {t}, side {side}"
            assert area(mask) == pytest.approx(side * side, rel=0.35), f"frame {t}, side {side}"
        if side == 0:
            assert mask is None, f"frame {t}"


def test_two_identical_objects_stay_two(tmp_path: Path) -> None:
    twins = [RED, Rectangle(RED.color, 20, 90, 30, 30, step_xy=(4, 0))]
    found = process(np.stack([draw(twins, t, HW) for t in range(10)]), tmp_path / "clip").tubelets
    assert [item.label for item in found] == [0, 0]
    assert all(item.tubelet.frames == tuple(range(10)) for item in found)
    masks = [[decode(mask) for mask in item.tubelet.masks if mask is not None] for item in found]
    assert not any((one & other).any() for one, other in zip(*masks, strict=True))


def test_of_three_hundred_objects_the_result_says_that_some_were_left_out(tmp_path: Path) -> None:
    side, gap, columns, seen_at_once = 10, 20, 20, 50
    places = [(5 + gap * (i % columns), 5 + gap * (i // columns)) for i in range(300)]
    frames = np.stack(
        [
            draw(
                [Rectangle(PALETTE[i % len(PALETTE)], *places[i], side, side) for i in range(t, 300, 6)],
                0,
                (gap * 300 // columns, gap * columns),
            )
            for t in range(300 // seen_at_once)
        ]
    )
    result = process(frames, tmp_path / "clip")
    (chunk,) = result.chunks
    assert (chunk.seeds, chunk.capped) == (30, True)
    assert 0 < len(result.tubelets) <= 30

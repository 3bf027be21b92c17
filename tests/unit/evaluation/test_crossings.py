"""Crossings of hand-made instances, and tracks that keep to theirs or do not."""

import numpy as np
import pytest

from evaluation.metrics.crossings import Boxes, Switches, count_switches, crossings, is_close
from tests.unit.builders import box

RIGHT = [box(x) for x in range(0, 60, 5)]
LEFT = [box(x) for x in range(55, -5, -5)]
"""Two squares of 10 px that pass each other between frames 5 and 6."""
AWAY = [box(x, y=40) for x in range(0, 60, 5)]


def without(boxes: Boxes, *frames: int) -> Boxes:
    return [None if t in frames else b for t, b in enumerate(boxes)]


@pytest.mark.parametrize(
    ("a", "b", "close"),
    [
        pytest.param(box(0), box(0), True, id="same"),
        pytest.param(box(0), box(8), True, id="overlap"),
        pytest.param(box(0), box(10), False, id="touching"),
        pytest.param(box(0, size=40), box(18, y=22, size=4), True, id="small-inside-large"),
        pytest.param(np.array([0, 0, 60, 4], np.float32), np.array([0, 6, 60, 10], np.float32), True, id="flat-and-near"),
        pytest.param(box(0), box(30), False, id="far"),
    ],
)  # fmt: skip
def test_close(a: np.ndarray, b: np.ndarray, close: bool) -> None:
    assert is_close(a, b) == is_close(b, a) == close


@pytest.mark.parametrize(
    ("instances", "count"),
    [
        pytest.param([RIGHT, LEFT], 1, id="pass"),
        pytest.param([RIGHT, LEFT, AWAY], 1, id="a-third-apart"),
        pytest.param([RIGHT + LEFT, LEFT + RIGHT], 2, id="there-and-back"),
        pytest.param([[*RIGHT[:6], box(0), *RIGHT[6:]], [*LEFT[:6], box(40), *LEFT[6:]]], 1, id="one-frame-apart"),
        pytest.param([RIGHT, RIGHT], 0, id="always-close"),
        pytest.param([RIGHT[:6], LEFT[:6]], 0, id="never-part-again"),
        pytest.param([RIGHT[6:], LEFT[6:]], 0, id="never-apart-before"),
        pytest.param([RIGHT, without(LEFT, 6)], 1, id="hidden-during-it"),
        pytest.param([RIGHT, without(LEFT, *range(12))], 0, id="never-visible"),
        pytest.param([RIGHT], 0, id="alone"),
        pytest.param([], 0, id="nobody"),
    ],
)
def test_crossings(instances: list[Boxes], count: int) -> None:
    assert len(crossings(instances)) == count


def test_the_nearest_frames_apart() -> None:
    (crossing,) = crossings([RIGHT, LEFT])
    # 15 px apart in frames 4 and 7, 5 px in 5 and 6
    assert (crossing.pair, crossing.before, crossing.after) == ((0, 1), (0, 1, 2, 3, 4), (7, 8, 9, 10, 11))


SWAPPED = [*RIGHT[:6], *LEFT[6:]]


@pytest.mark.parametrize(
    ("tracks", "expected"),
    [
        pytest.param([RIGHT, LEFT], Switches(1, 0, 0), id="both-keep-theirs"),
        pytest.param([SWAPPED, LEFT], Switches(1, 1, 0), id="one-goes-over"),
        pytest.param([SWAPPED, [*LEFT[:6], *RIGHT[6:]]], Switches(1, 1, 0), id="both-go-over"),
        pytest.param([LEFT, LEFT], Switches(1, 0, 0), id="wrong-all-the-time-is-no-switch"),
        pytest.param([RIGHT, without(LEFT, *range(6, 12))], Switches(1, 0, 1), id="lost-for-good"),
        pytest.param([SWAPPED, without(LEFT, *range(6, 12))], Switches(1, 1, 1), id="one-lost-one-over"),
        pytest.param([[*RIGHT[:7], *AWAY[7:]], LEFT], Switches(1, 0, 1), id="on-nothing"),
    ],
)
def test_switches(tracks: list[Boxes], expected: Switches) -> None:
    assert count_switches([RIGHT, LEFT], tracks) == expected


def test_over_to_a_third() -> None:
    assert count_switches([RIGHT, LEFT, AWAY], [[*RIGHT[:6], *AWAY[6:]], LEFT, AWAY]) == Switches(1, 1, 0)

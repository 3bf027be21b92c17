"""Tubelets that keep to their instance, change it, or lose it at a crossing."""

import numpy as np
import pytest

from evaluation.metrics.identity import Switch, covered_instances, identity_counts, identity_figures, switches_of
from evaluation.metrics.overlaps import overlaps
from tests.unit.builders import mask

Places = tuple[int | None, ...]
RIGHT: Places = tuple(range(0, 50, 4))
LEFT: Places = (*range(48, 24, -4), None, *range(20, -2, -4))
"""Two squares of 10 px that pass each other; the second one is hidden in the middle frame, 6."""


def masks(places: Places) -> list[dict[str, object] | None]:
    return [None if x is None else mask(x).json() for x in places]


def counts(*tubelets: Places) -> dict[str, int]:
    nothing = [[False] * len(RIGHT)] * len(tubelets)
    return identity_counts([masks(places) for places in tubelets], [masks(RIGHT), masks(LEFT)], nothing)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        pytest.param((0, 0, 0, 0), [], id="stays"),
        pytest.param((0, 0, 40, 40), [Switch(0, 1, 2)], id="changes"),
        pytest.param((0, 40, 0, 40), [Switch(0, 0, 1), Switch(0, 1, 2), Switch(0, 2, 3)], id="to and fro"),
        pytest.param((0, None, 20, 40), [Switch(0, 0, 3)], id="by way of nothing"),
        pytest.param((20, 20, None, None), [], id="never on an instance"),
    ],
)
def test_a_switch_lies_between_two_frames(places: Places, expected: list[Switch]) -> None:
    found = overlaps([masks(places)], [masks((0,) * 4), masks((40,) * 4)])
    assert switches_of(covered_instances(found.frames)) == expected


def test_a_mask_covers_from_half() -> None:
    iou = np.array([[[0.5, 0.2]], [[0.499, 0.2]], [[0.6, 0.7]]])
    assert covered_instances(iou)[:, 0].tolist() == [0, -1, 1]
    assert covered_instances(np.zeros((2, 1, 0))).tolist() == [[-1], [-1]]


@pytest.mark.parametrize(
    ("tubelets", "switched", "unanswered", "switches"),
    [
        pytest.param([RIGHT, LEFT], 0, 0, 0, id="both stay"),
        pytest.param([(*RIGHT[:6], *LEFT[6:]), (*LEFT[:6], *RIGHT[6:])], 1, 0, 2, id="both change"),
        pytest.param([RIGHT, (*LEFT[:6], *RIGHT[6:])], 1, 0, 1, id="one changes to the other"),
        pytest.param([RIGHT, (*LEFT[:6], *[None] * 7)], 0, 1, 0, id="one is lost"),
        pytest.param([RIGHT, (*[None] * 7, *LEFT[7:])], 0, 1, 0, id="one begins afterwards"),
        pytest.param([RIGHT, LEFT, (*LEFT[:6], *RIGHT[6:])], 0, 0, 1, id="a worse one of the same instance changes"),
        pytest.param([RIGHT], 0, 1, 0, id="one is missing"),
    ],
)
def test_a_crossing_belongs_to_the_best_tubelets(
    tubelets: list[Places], switched: int, unanswered: int, switches: int
) -> None:
    found = counts(*tubelets)
    assert found["crossings"] == 1
    assert (found["switched_crossings"], found["unanswered_crossings"]) == (switched, unanswered)
    assert (found["tubelets"], found["tubelet_switches"]) == (len(tubelets), switches)


def test_figures_add_up_clips() -> None:
    both = identity_figures([counts(RIGHT, LEFT), counts((*RIGHT[:6], *LEFT[6:]), (*LEFT[:6], *RIGHT[6:]))])
    assert both["tubelets"] == 4
    assert both["switched_tubelets"] == 2
    assert identity_figures([]) == dict.fromkeys(both, 0)


@pytest.mark.parametrize(
    ("uncertain", "marked", "share"),
    [
        pytest.param([], 0, 0, id="nowhere"),
        pytest.param([1], 0, 1 / 12, id="four frames before the last one on the former"),
        pytest.param([2], 1, 1 / 12, id="three before it"),
        pytest.param([6], 1, 0, id="in between, without a mask"),
        pytest.param([10, 11], 1, 2 / 12, id="three after the first one on the next"),
        pytest.param([11], 0, 1 / 12, id="four after it"),
    ],
)
def test_an_uncertain_frame_nearby_marks_a_switch(uncertain: list[int], marked: int, share: float) -> None:
    changes = (*RIGHT[:6], None, *LEFT[7:])
    marks = [t in uncertain for t in range(len(RIGHT))]
    found = identity_figures([identity_counts([masks(changes)], [masks(RIGHT), masks(LEFT)], [marks])])
    assert (found["tubelet_switches"], found["marked_switches"]) == (1, marked)
    assert found["uncertain_share"] == pytest.approx(share)

"""Every error type on hand-made tubelets, and what mending a type is worth."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.data.dataset import AnnotatedVideo
from evaluation.metrics.breakdown import break_down
from evaluation.metrics.faults import ClipFaults, Fault, clip_faults, fragments, switches
from evaluation.metrics.overlaps import overlaps
from evaluation.metrics.ytvis import figures, match_clip
from tests.unit.builders import mask

FRAMES = 4
VIDEO = AnnotatedVideo(1, "v", Path("v.mp4"), tuple(range(FRAMES)), True, {})
Item = dict[str, Any]


def item(category: int, *xs: int | None, score: float = 0.5) -> Item:
    """A square of 10 px at `xs[t]` in frame t, in all frames if only one is given."""
    places = xs * FRAMES if len(xs) == 1 else xs
    masks = [None if x is None else mask(x).json() for x in places]
    return {"video_id": 1, "category_id": category, "score": score, "segmentations": masks}


def faults(objects: list[Item], tubelets: list[Item]) -> ClipFaults:
    return clip_faults(VIDEO, objects, tubelets)


OBJECTS = [item(1, 0), item(2, 40)]

CASES = [
    pytest.param([item(1, 0), item(2, 40)], [], id="all-right"),
    pytest.param([item(1, 5), item(2, 40)], [Fault("localisation", 0, 0)], id="beside-it"),
    pytest.param([item(2, 0), item(2, 40, score=0.4)], [Fault("class", 0, 0)], id="another-class"),
    pytest.param([item(1, 0), item(1, 1, score=0.4), item(2, 40)], [Fault("duplicate", 2, 0)], id="twice"),
    pytest.param([item(1, 0), item(2, 40), item(1, 20)], [Fault("background", 2, None)], id="nothing-there"),
    pytest.param([item(1, 0), item(2, 40), item(1, 45)], [Fault("both", 2, None)], id="wrong-place-and-class"),
    pytest.param([item(2, 40)], [Fault("missed", None, 0)], id="missed"),
    pytest.param([], [Fault("missed", None, 0), Fault("missed", None, 1)], id="no-tubelets"),
]


@pytest.mark.parametrize(("tubelets", "expected"), CASES)
def test_error_types(tubelets: list[Item], expected: list[Fault]) -> None:
    assert list(faults(OBJECTS, tubelets).faults) == expected


def test_without_objects_everything_is_background() -> None:
    assert [fault.kind for fault in faults([], [item(1, 0)]).faults] == ["background"]
    assert faults([], []).faults == ()


def test_a_crowd_is_no_object() -> None:
    assert faults([{**item(1, 0), "iscrowd": 1}], []).objects == ()


def test_overlaps_are_those_of_the_metric() -> None:
    found = overlaps([item(1, 0, 0, 5, None)["segmentations"]], [item(1, 0, None, 0, None)["segmentations"]])
    # 100 px in common in one frame and 50 in another; unions of 100, 100 and 150 px
    assert found.clip[0, 0] == pytest.approx(150 / 350)
    assert found.frames[:, 0, 0] == pytest.approx([1, 0, 1 / 3, 0])


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        pytest.param((0, 0, 0, 0), 0, id="stays"),
        pytest.param((0, 0, 40, 40), 1, id="changes"),
        pytest.param((0, 40, 0, 40), 3, id="to-and-fro"),
        pytest.param((0, None, 20, 40), 1, id="by-way-of-nothing"),
        pytest.param((20, 20, None, None), 0, id="never-on-an-object"),
    ],
)
def test_switches(places: tuple[int | None, ...], expected: int) -> None:
    tubelet = item(1, *places)["segmentations"]
    found = overlaps([tubelet], [thing["segmentations"] for thing in OBJECTS])
    assert switches(found.frames) == [expected]


@pytest.mark.parametrize(
    ("tubelets", "expected"),
    [
        pytest.param([(0, 0, 0, 0)], 0, id="one"),
        pytest.param([(0, 0, None, None), (None, None, 0, 0)], 1, id="two-halves"),
        pytest.param([(0, 0, 0, 0), (1, 1, 1, 1)], 0, id="a-duplicate-is-none"),
        pytest.param([(0, None, None, None), (None, 0, None, None), (0, 0, 0, None)], 2, id="three"),
        pytest.param([(20, 20, 20, 20)], 0, id="not-covered"),
    ],
)
def test_fragments(tubelets: list[tuple[int | None, ...]], expected: int) -> None:
    found = overlaps([item(1, *places)["segmentations"] for places in tubelets], [OBJECTS[0]["segmentations"]])
    assert fragments(found.frames) == [expected]


def test_no_frames() -> None:
    assert switches(np.zeros((0, 2, 1))) == [0, 0]
    assert fragments(np.zeros((0, 0, 3))) == [0, 0, 0]


TUBELETS = [item(1, 5, score=0.9), item(2, 0, score=0.8), item(2, 40, score=0.7), item(2, 41, score=0.6)]


def test_ap50_is_the_metrics() -> None:
    broken = break_down([faults(OBJECTS, TUBELETS)])
    assert broken.ap50 == pytest.approx(figures([match_clip(VIDEO, OBJECTS, TUBELETS)])["AP50"])
    assert broken.counts == {"class": 1, "localisation": 1, "both": 0, "duplicate": 1, "background": 0, "missed": 0}


def test_gains_are_what_mending_gives() -> None:
    gains = break_down([faults(OBJECTS, TUBELETS)]).gains
    # class 1 has AP 0 and class 2 AP 1/2, because its best tubelet shows the object of class 1: 1/4
    assert gains["localisation"] == pytest.approx(0.5)
    assert gains["class"] == pytest.approx(0.5)  # that tubelet hits in class 1, below a miss: (1/2 + 1) / 2
    assert gains["duplicate"] == pytest.approx(0)  # it comes after the hit
    assert gains["missed"] == 0


def test_missed_objects_gain_recall() -> None:
    broken = break_down([faults([item(1, 0), item(1, 40)], [item(1, 0)])])
    assert broken.ap50 == pytest.approx(51 / 101)
    assert broken.gains["missed"] == pytest.approx(50 / 101)

"""docs/method.md, section 7.1: where companions part, and beside gaps after which an object looks different."""

from dataclasses import replace

import numpy as np
import pytest

from service.structures.masks import encode
from service.structures.tubelets import LabeledTubelet, Tubelet, joined
from service.tracking.confidence import uncertain_spans, with_confidence
from tests.unit.builders import HW, labeled, mask, tube

LENGTH = 8
Places = tuple[int | None, ...]
HERE, THERE, NOWHERE = (0,) * LENGTH, (40,) * LENGTH, (None,) * LENGTH


def at(places: Places, score: float = 0.8) -> LabeledTubelet:
    """A tubelet with a square at each x."""
    frames = [t for t, x in enumerate(places) if x is not None]
    whole = tube(frames, length=len(places))
    return labeled(replace(whole, masks=tuple(None if x is None else mask(x) for x in places)), score)


def confidence(*items: LabeledTubelet) -> list[float]:
    """Of the first one."""
    return with_confidence(items)[0].tubelet.confidence.tolist()


def doubtful(*items: LabeledTubelet) -> list[int]:
    return [t for t, sure in enumerate(confidence(*items)) if sure < 1]


STAYS, CHANGES = at(HERE), at((*HERE[:4], *THERE[4:]))


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param([STAYS], [], id="alone"),
        pytest.param([STAYS, at(HERE), at(THERE)], [], id="companions stay, others are elsewhere"),
        pytest.param([CHANGES, at(HERE)], [3, 4], id="parts from its companion"),
        pytest.param([CHANGES, at(THERE)], [3, 4], id="joins another"),
        pytest.param([at((0, *THERE[1:])), at(HERE)], [0, 1], id="parts after the first frame"),
        pytest.param([at((*HERE[:7], 40)), at(HERE)], [6, 7], id="parts before the last frame"),
        pytest.param([STAYS, CHANGES], [3, 4], id="its companion parts from it"),
        pytest.param([at((0, 0, 0, 4, 6, 40, 40, 40)), at(HERE)], [2, 3, 4, 5], id="undecided in between"),
        pytest.param([at((*HERE[:4], None, None, *THERE[6:])), at(HERE)], [3, 4, 5, 6], id="not visible in between"),
        pytest.param([STAYS, at((*HERE[:4], *NOWHERE[4:]))], [], id="a companion ends"),
        pytest.param([STAYS, at((0, 0, 0, 5, 5, 0, 0, 0))], [], id="a companion wavers"),
    ],
)
def test_frames_in_which_companions_part(items: list[LabeledTubelet], expected: list[int]) -> None:
    assert doubtful(*items) == expected


def test_in_one_frame_nothing_parts() -> None:
    assert confidence(at((0,)), at((0,)), at((40,))) == [1]


def test_more_and_better_companions_say_more() -> None:
    one, two = confidence(CHANGES, at(HERE)), confidence(CHANGES, at(HERE), at(HERE))
    assert one[3] == pytest.approx(np.exp(-0.8))
    assert two[3] == pytest.approx(np.exp(-1.6))
    assert confidence(CHANGES, at(HERE, score=0.1))[3] == pytest.approx(np.exp(-0.1))


def test_who_stays_with_most_companions_is_surer_than_who_leaves() -> None:
    leaves, stays = (confidence(first, second, at(HERE)) for first, second in ((CHANGES, STAYS), (STAYS, CHANGES)))
    assert leaves[3] == pytest.approx(np.exp(-1.6))
    assert stays[3] == pytest.approx(1 - 0.5 * (1 - np.exp(-0.8)))


def gone(first: int, gap: int, distance: float) -> Tubelet:
    """Of a seed in frame 0, absent for `gap` frames from `first` on, with another look after that."""
    places = [t for t in range(LENGTH) if not first <= t < first + gap]
    looks = np.zeros((LENGTH, 2), np.float16)
    looks[:, 0] = 1
    looks[first + gap :, 1] = distance
    return replace(tube(places), looks=looks)


def test_beside_a_gap_the_look_decides() -> None:
    assert confidence(labeled(gone(3, 0, 9), 0.8)) == [1] * LENGTH
    assert confidence(labeled(gone(3, 4, 0), 0.8)) == [1] * LENGTH
    beside = 1 - (1 - np.exp(-1)) / 3
    assert confidence(labeled(gone(3, 4, 1), 0.8)) == pytest.approx([1, 1, beside, 1, 1, 1, 1, beside])
    assert confidence(labeled(gone(3, 2, 1), 0.8))[2] == pytest.approx(1 - 0.2 * (1 - np.exp(-1)))


def test_the_look_across_a_gap_is_compared_with_the_seeds() -> None:
    """Whether the seed is before the gap or after it."""
    whole = gone(3, 4, 1)
    late = replace(whole, seed=replace(whole.seed, frame=7))
    assert confidence(labeled(late, 0.8)) == confidence(labeled(whole, 0.8))


@pytest.mark.parametrize("frame", [pytest.param(-1, id="before"), pytest.param(LENGTH, id="after")])
def test_with_a_seed_outside_the_entries_a_gap_says_nothing(frame: int) -> None:
    whole = gone(3, 4, 1)
    assert confidence(labeled(replace(whole, seed=replace(whole.seed, frame=frame)), 0.8)) == [1] * LENGTH


@pytest.mark.parametrize("unknown", [pytest.param(0, id="the seed's"), pytest.param(7, id="after the gap")])
def test_a_look_of_zeros_is_unknown(unknown: int) -> None:
    whole = gone(3, 4, 1)
    whole.looks[unknown] = 0
    assert confidence(labeled(whole, 0.8)) == [1] * LENGTH


def test_values_of_a_chunk_that_begins_later_are_the_same() -> None:
    whole = gone(3, 4, 1)
    later = replace(whole, start=50, seed=replace(whole.seed, frame=50))
    assert confidence(labeled(later, 0.8)) == confidence(labeled(whole, 0.8))


def test_types() -> None:
    (item,) = with_confidence([labeled(gone(3, 4, 1), 0.8)])
    assert (item.tubelet.confidence.dtype, item.tubelet.looks.dtype) == (np.float32, np.float16)


@pytest.mark.parametrize(
    ("width", "together"), [pytest.param(20, True, id="from-a-half-on"), pytest.param(21, False, id="below")]
)
def test_companions_share_half_of_their_pixels(width: int, together: bool) -> None:
    """10 x 10 px of `width` x 10 px, and then somewhere else."""
    wide = np.zeros(HW, np.bool_)
    wide[5:15, :width] = True
    other = replace(STAYS.tubelet, masks=(*[encode(wide)] * 4, *[mask(40)] * 4))
    assert doubtful(STAYS, labeled(other, 0.8)) == ([3, 4] if together else [])


@pytest.mark.parametrize(
    ("width", "apart"), [pytest.param(100, False, id="at-a-tenth-undecided"), pytest.param(101, True, id="below")]
)
def test_who_shares_less_than_a_tenth_is_another(width: int, apart: bool) -> None:
    """10 of `width` px."""
    one, other = np.zeros((3, 200), np.bool_), np.zeros((3, 200), np.bool_)
    one[0, :10] = other[0, :width] = True
    first = replace(STAYS.tubelet, masks=(encode(one),) * LENGTH)
    second = replace(STAYS.tubelet, masks=(*[encode(one)] * 4, *[encode(other)] * 4))
    assert doubtful(labeled(first, 0.8), labeled(second, 0.8)) == ([3, 4] if apart else [])


def test_without_looks_a_gap_says_nothing() -> None:
    assert confidence(labeled(tube([0, 1, 6, 7]), 0.8)) == [1] * LENGTH


def test_only_confidence_is_added() -> None:
    (item,) = with_confidence([labeled(gone(3, 4, 1), 0.8)])
    assert (item.label, item.score, item.tubelet.frames) == (0, 0.8, (0, 1, 2, 7))
    assert item.tubelet.looks.shape == (LENGTH, 0)
    assert with_confidence([]) == []


@pytest.mark.parametrize(
    ("places", "unsure", "expected"),
    [
        pytest.param(range(8), [], (), id="none"),
        pytest.param(range(8), [0, 1, 7], ((0, 1), (7, 7)), id="at both ends"),
        pytest.param([0, 1, 5, 6], [1, 5], ((1, 5),), id="across a gap"),
        pytest.param([0, 1, 5, 6], [0, 6], ((0, 0), (6, 6)), id="sure in between"),
        pytest.param([2, 3], [0, 1, 2], ((2, 2),), id="frames without a mask do not count"),
    ],
)
def test_spans_of_frames_below_a_half(
    places: range | list[int], unsure: list[int], expected: tuple[tuple[int, int], ...]
) -> None:
    sure = np.array([0.49 if t in unsure else 0.5 for t in range(LENGTH)], np.float32)
    tubelet = replace(tube(places), confidence=sure)
    assert uncertain_spans(tubelet) == expected
    later = replace(tubelet, start=100)
    assert uncertain_spans(later) == tuple((first + 100, last + 100) for first, last in expected)
    halves = joined([later.part(100, 103), later.part(103, 108)])
    assert halves.confidence.tolist() == sure.tolist()

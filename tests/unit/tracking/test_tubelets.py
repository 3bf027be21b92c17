"""docs/method.md, sections 6 and 7: final class and score, tubelet NMS on hand-made tubes."""

from dataclasses import replace

import numpy as np
import pytest

from service.structures.tubelets import Tubelet
from service.tracking.labels import FLOOR, Votes, label_by, label_tubelet
from service.tracking.params import LabelRule, ScoreEstimator, TubeletIou, TubeletParams
from service.tracking.tubelet_nms import suppress, tubelet_iou
from tests.unit.builders import candidate, frame, labeled, mask, tube

BELOW_A_QUARTER = float(np.nextafter(np.float32(0.25), np.float32(0)))
MEANS = TubeletParams(rescale=False)
KINDS: tuple[TubeletIou, ...] = ("all", "union", "both", "stvol")


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param(tube([]), tube([]), (0, 0, 0, 0), id="both-empty"),
        pytest.param(tube(range(4)), tube(range(4)), (0.5, 1, 1, 1), id="same-half-of-the-video"),
        pytest.param(tube(range(4)), tube(range(4, 8)), (0, 0, 0, 0), id="disjoint-in-time"),
        pytest.param(tube(range(4)), tube(range(2, 6)), (0.25, 1 / 3, 1, 1 / 3), id="half-in-time"),
        pytest.param(tube(range(8)), tube(range(8), x=5), (1 / 3,) * 4, id="half-in-space"),
        pytest.param(tube(range(8)), tube(range(8), x=10), (0,) * 4, id="touching"),
    ],
)
def test_tubelet_iou(a: Tubelet, b: Tubelet, expected: tuple[float, ...]) -> None:
    for kind, value in zip(KINDS, expected, strict=True):
        assert tubelet_iou(a, b, kind) == pytest.approx(value, abs=1e-6), kind
        assert tubelet_iou(b, a, kind) == pytest.approx(value, abs=1e-6), kind


@pytest.mark.parametrize("kind", KINDS)
def test_tubelets_without_frames_have_nothing_in_common(kind: TubeletIou) -> None:
    nothing = tube([0], length=1).part(0, 0)
    assert tubelet_iou(nothing, nothing, kind) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_tubelets_of_different_lengths_are_not_compared(kind: TubeletIou) -> None:
    with pytest.raises(ValueError, match="shorter"):
        tubelet_iou(tube(range(4), length=5), tube(range(4), length=4), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pixel_is_an_object(kind: TubeletIou) -> None:
    speck = replace(tube([0], length=1), masks=(mask(0, size=1),))
    assert tubelet_iou(speck, speck, kind) == 1


def test_better_one_stays() -> None:
    items = [
        labeled(tube(range(8)), 0.4),
        labeled(tube(range(8), x=1), 0.9, label=1),
        labeled(tube(range(8), x=40), 0.1),
    ]
    assert [item.score for item in suppress(items, TubeletParams())] == [0.9, 0.1]
    assert [item.score for item in suppress(items, TubeletParams(class_agnostic=False))] == [0.9, 0.4, 0.1]
    assert suppress([], TubeletParams()) == []


@pytest.mark.parametrize(("th_seq", "kept"), [(0.25, 2), (BELOW_A_QUARTER, 1)])
def test_two_tubelets_at_the_threshold_both_stay(th_seq: float, kept: int) -> None:
    """10-px squares 6 px apart: IoU 4 / 16."""
    items = [labeled(tube(range(8)), 0.9), labeled(tube(range(8), x=6), 0.4)]
    assert len(suppress(items, TubeletParams(th_seq=th_seq))) == kept


def frames():
    """Class 0 in four frames, class 1 in two, nothing in two."""
    zero, one = [0.6, 0.2, 0], [0.3, 0.9, 0]
    return [frame(t, (0, zero if t < 4 else one)) if t < 6 else frame(t) for t in range(8)]


@pytest.mark.parametrize(
    ("estimator", "score"),
    [("matched_zero", (4 * 0.6 + 2 * 0.3) / 8), ("matched_skip", (4 * 0.6 + 2 * 0.3) / 6), ("seed", 0.8)],
)
@pytest.mark.parametrize("rule", ["mean", "mode"])
def test_the_score_is_the_mean_of_the_class(rule: LabelRule, estimator: ScoreEstimator, score: float) -> None:
    whole = tube(range(8))
    item = label_tubelet(whole, frames(), replace(MEANS, score=estimator, label=rule))
    assert item.label == 0
    assert item.tubelet is whole
    assert item.score == pytest.approx(score)


@pytest.mark.parametrize(
    ("rule", "label", "score"), [("mean", 1, (4 * 0.3 + 2 * 0.9) / 8), ("mode", 0, (4 * 0.4 + 2 * 0.2) / 8)]
)
def test_the_largest_mean_and_the_most_frequent_label_can_differ(rule: LabelRule, label: int, score: float) -> None:
    """Class 0 is the label of four frames, by a little; class 1 of two, by far."""
    found = [frame(t, (0, [0.4, 0.3, 0] if t < 4 else [0.2, 0.9, 0])) if t < 6 else frame(t) for t in range(8)]
    item = label_tubelet(tube(range(8)), found, replace(MEANS, label=rule))
    assert (item.label, item.score) == (label, pytest.approx(score))


def test_other_classes_are_listed_by_score() -> None:
    item = label_tubelet(tube(range(8)), frames(), MEANS)
    assert item.classes == pytest.approx(np.array([(0, (4 * 0.6 + 2 * 0.3) / 8), (1, (4 * 0.2 + 2 * 0.9) / 8)]))


def test_the_most_frequent_label_is_listed_alone() -> None:
    assert label_tubelet(tube(range(8)), frames(), replace(MEANS, label="mode")).others == ()


def test_the_most_frequent_label_does_not_count_against_the_seeds_score() -> None:
    """The detections have class 1; the seed has class 0, whose score it is."""
    found = [frame(t, (0, [0.2, 0.9, 0])) for t in range(8)]
    item = label_tubelet(tube(range(8)), found, replace(MEANS, label="mode", score="seed"))
    assert (item.label, item.score) == (0, pytest.approx(0.8))


@pytest.mark.parametrize(("second", "listed"), [(FLOOR, False), (float(np.nextafter(FLOOR, 1)), True)])
def test_a_class_at_the_floor_is_not_listed(second: float, listed: bool) -> None:
    votes = Votes(1, 1, np.array([1, 0]), np.array([0.5, 0.0]), np.array([0.5, second]))
    assert label_by(votes, tube(range(1)), MEANS).others == (((1, second),) if listed else ())


def test_a_tubelet_far_below_the_floor_still_has_its_class() -> None:
    votes = Votes(100, 1, np.array([0, 1]), np.array([0.0, 0.5]), np.array([0.0, 0.5]))
    assert label_by(votes, tube(range(8)), MEANS).classes == ((1, 0.005),)


def test_at_most_ten_classes_are_listed() -> None:
    means = np.linspace(0.9, 0.3, 12)
    votes = Votes(1, 1, np.eye(12, dtype=np.int64)[0], np.eye(12)[0] * 0.9, means)
    assert [label for label, _ in label_by(votes, tube(range(1)), MEANS).classes] == list(range(10))


def test_of_equal_means_the_lower_class_comes_first() -> None:
    """Of 80 classes, as sorts that are not stable keep the order of a few."""
    later = np.arange(80) >= 40
    votes = Votes(1, 1, later.astype(np.int64), later * 0.4, np.where(later, 0.4, 0.2))
    assert [label for label, _ in label_by(votes, tube(range(1)), MEANS).classes] == list(range(40, 50))


@pytest.mark.parametrize(
    ("vectors", "label"),
    [
        pytest.param([[0.3, 0.1]] * 3 + [[0.1, 0.9]] * 2, 0, id="the-most-frequent-whatever-the-sums"),
        pytest.param([[0.6, 0.2]] * 2 + [[0.3, 0.9]] * 2, 1, id="of-equally-frequent-ones-the-larger-sum"),
        pytest.param([[0.6, 0.2]] * 2 + [[0.0, 0.1], [0.3, 0.9]], 0, id="the-sum-not-the-last"),
        pytest.param([[0.2, 0.5], [0.5, 0.2]], 0, id="of-equal-sums-the-lower-index"),
    ],
)
def test_label_is_chosen_by_count_then_sum_then_index(vectors: list[list[float]], label: int) -> None:
    frames = [frame(t, (0, vector), classes=2) for t, vector in enumerate(vectors)]
    length = len(frames)
    item = label_tubelet(tube(range(length), length=length, probs=(0.1, 0.1)), frames, replace(MEANS, label="mode"))
    assert item.label == label


def test_votes_add_up() -> None:
    """Whatever is added at once: so a chain can be counted part by part."""
    found = [candidate(t, 0, vector) for t, vector in enumerate([[0.6, 0.2], [0.3, 0.9], [0.7, 0.1]])]
    votes = Votes().add(2, found[:1]).add(1, []).add(3, found[1:])
    assert (votes.visible, votes.matched) == (6, 3)
    assert (votes.counts.tolist(), votes.counts.dtype) == ([2, 1], np.int64)
    assert votes.tops.tolist() == pytest.approx([1.3, 0.9])
    assert votes.totals.tolist() == pytest.approx([1.6, 1.2])


def test_adding_votes_leaves_the_earlier_ones_as_they_are() -> None:
    before = Votes().add(1, [candidate(0, 0, [0.6, 0.2])])
    before.add(1, [candidate(1, 0, [0.7, 0.1])])
    assert (before.visible, before.matched, before.counts.tolist()) == (1, 1, [1, 0])
    assert before.tops.tolist() == [*before.totals.tolist()[:1], 0]


def test_every_frame_of_a_tubelet_needs_its_candidates() -> None:
    with pytest.raises(ValueError, match="shorter"):
        label_tubelet(tube(range(8)), frames()[:7], TubeletParams())


def test_scores_are_capped_at_one() -> None:
    vectors = [frame(t, (0, [1.25, 0, 0])) for t in range(2)]
    assert label_tubelet(tube(range(2), length=2), vectors, MEANS).score == 1


@pytest.mark.parametrize("rule", ["mean", "mode"])
def test_unsupported_tubelet_keeps_the_seeds_class_with_a_low_score(rule: LabelRule) -> None:
    item = label_tubelet(tube(range(8), x=40), frames(), replace(MEANS, label=rule))
    assert (item.label, item.score, item.others) == (0, pytest.approx(0.8 / 8), ())


@pytest.mark.parametrize("there", [[], [0]])
def test_unsupported_tubelet_of_a_frame_or_none_keeps_the_seeds_score(there: list[int]) -> None:
    assert label_tubelet(tube(there, length=1), [frame(0)], MEANS).score == pytest.approx(0.8)


@pytest.mark.parametrize(("match_iou", "label"), [(0.25, 0), (BELOW_A_QUARTER, 1)])
def test_a_detection_at_the_match_threshold_supports_nothing(match_iou: float, label: int) -> None:
    """The detections say class 1 and lie 6 px beside the seed's class 0: IoU 4 / 16."""
    beside = [frame(t, (6, [0.1, 0.9, 0])) for t in range(4)]
    assert label_tubelet(tube(range(4), length=4), beside, TubeletParams(match_iou=match_iou)).label == label

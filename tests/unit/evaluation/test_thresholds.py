"""How well scores can be thresholded, on records of clips made by hand."""

import pytest

from evaluation.data.dataset import Document
from evaluation.metrics.thresholds import threshold_figures


def clip(tubelets: list[tuple[float, int]], truths: int) -> Document:
    """`tubelets`: score and hit (1), miss (0) or ignored (-1)."""
    hits = [[hit for _, hit in tubelets]]
    return {"classes": {"any": {"scores": [score for score, _ in tubelets], "hits": hits, "truths": truths}}}


def test_objects_and_false_tubelets_above_the_thresholds() -> None:
    figures = threshold_figures([clip([(0.9, 1), (0.3, 1), (0.2, 0), (0.1, 1)], 4), clip([(0.8, 0), (0.7, -1)], 1)])
    assert figures["found_above_0.1"] == pytest.approx(2 / 5), "a tubelet at the threshold is not above it"
    assert figures["found_above_0.3"] == pytest.approx(1 / 5)
    assert (figures["false_above_0.1"], figures["false_above_0.3"]) == (2, 1)


def test_the_error_is_the_gap_between_scores_and_true_tubelets() -> None:
    assert threshold_figures([clip([(0.75, 1), (0.75, 0)], 2)])["score_ece"] == pytest.approx(0.25)
    assert threshold_figures([clip([(0.9, -1), (1.0, 1)], 1)])["score_ece"] == 0


def test_no_tubelets_and_no_objects() -> None:
    assert set(threshold_figures([clip([], 0)]).values()) == {0.0}
    assert set(threshold_figures([]).values()) == {0.0}

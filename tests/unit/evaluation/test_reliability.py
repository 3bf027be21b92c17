"""Which candidates count as right, and how far scores are from the share of right ones."""

from typing import Any

import numpy as np
import pytest

from evaluation.metrics.reliability import Outcomes, calibration_error, join, judge, reliability_table

DOG, CAT = 18, 17


def truth(x: float, category: int = DOG, *, crowd: int = 0, width: float = 10) -> dict[str, Any]:
    return {"category_id": category, "bbox": [x, 0, width, 10], "iscrowd": crowd}


def boxes(*left: float) -> np.ndarray:
    return np.array([[x, 0, 10, 10] for x in left], np.float64).reshape(-1, 4)


def outcomes(*pairs: tuple[float, bool]) -> Outcomes:
    return Outcomes(np.array([s for s, _ in pairs]), np.array([r for _, r in pairs], np.bool_))


@pytest.mark.parametrize(
    ("candidates", "annotations", "right"),
    [
        pytest.param([(0.9, DOG, 0)], [truth(1)], [True], id="found"),
        pytest.param([(0.9, CAT, 0)], [truth(0)], [False], id="other-class"),
        pytest.param([(0.9, DOG, 6)], [truth(0)], [False], id="too-far"),
        pytest.param([(0.5, DOG, 0), (0.9, DOG, 1)], [truth(0)], [True, False], id="the-better-score-has-it"),
        pytest.param([(0.9, DOG, 0)], [truth(0, crowd=1, width=100)], [], id="in-a-crowd"),
        pytest.param([(0.9, CAT, 0)], [truth(0, crowd=1)], [False], id="crowd-of-another-class"),
        pytest.param([(0.9, DOG, 0)], [truth(0, crowd=1), truth(0)], [True], id="object-in-a-crowd"),
        pytest.param([(0.9, DOG, 0)], [], [False], id="nothing-annotated"),
        pytest.param([], [truth(0)], [], id="nothing-found"),
    ],
)
def test_right_candidates(
    candidates: list[tuple[float, int, float]], annotations: list[Any], right: list[bool]
) -> None:
    scores, labels, left = zip(*candidates) if candidates else ((), (), ())
    found = judge(np.array(scores, np.float64), list(labels), boxes(*left), annotations)
    assert found.right.tolist() == right
    assert found.scores.tolist() == sorted(found.scores, reverse=True)


def test_scores_that_mean_what_they_say() -> None:
    table = reliability_table(outcomes(*[(0.75, True)] * 3, (0.75, False)), bins=10)
    assert table == [{"low": 0.7, "high": 0.8, "candidates": 4, "mean_score": 0.75, "right": 0.75}]
    assert calibration_error(table) == 0


def test_gaps_are_weighed_by_candidates() -> None:
    found = join([outcomes((0.9, False)), outcomes(*[(0.2, False)] * 3), outcomes()])
    assert calibration_error(reliability_table(found, bins=10)) == pytest.approx((0.9 + 3 * 0.2) / 4)


def test_edges_belong_to_the_bin_above() -> None:
    assert [row["low"] for row in reliability_table(outcomes((0.5, True), (1.0, True)), bins=2)] == [0.5]


def test_no_candidates() -> None:
    assert calibration_error(reliability_table(join([]))) == 0

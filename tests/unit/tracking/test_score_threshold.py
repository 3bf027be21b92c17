"""The minimum score of a result's tubelets."""

import numpy as np
import pytest

from service.structures.detections import Candidate
from service.structures.masks import encode
from service.structures.tubelets import LabeledTubelet, Tubelet
from service.tracking.score_threshold import at_least

MASK = encode(np.ones((2, 2), np.bool_))
SEED = Candidate(0, np.zeros(4, np.float32), np.ones(1, np.float32), MASK)
TUBELET = Tubelet(SEED, (MASK,), np.zeros((1, 4), np.float32), np.ones(1, np.float32))


@pytest.mark.parametrize(
    ("min_score", "kept"),
    [
        pytest.param(0.0, [1, 2, 3, 4, 5], id="0 keeps all"),
        pytest.param(0.1, [1, 2, 4], id="inclusive, as the result states the score"),
        pytest.param(0.100001, [1], id="a little more"),
        pytest.param(1.0, [], id="nothing is left"),
    ],
)
def test_what_is_kept_in_order(min_score: float, kept: list[int]) -> None:
    scores = (0.5, 0.1, 0.0999994, 0.0999996, 0.0)
    items = [LabeledTubelet(TUBELET, 0, score, id=number) for number, score in enumerate(scores, start=1)]
    assert [item.id for item in at_least(items, min_score)] == kept


def test_nothing_to_keep() -> None:
    assert at_least([], 0.1) == []

"""The scale of tubelet scores: what stays, what grows, and that the order does not change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pipeline.parameters.params import preset
from service.tracking.labels import label_tubelet
from service.tracking.params import TubeletParams
from service.tracking.score_scale import FIXED, HALF, rescaled
from tests.unit.builders import frame, tube


@pytest.mark.parametrize(
    ("mean", "score"),
    [
        pytest.param(0.0, 0.0, id="nothing"),
        pytest.param(FIXED, FIXED, id="the fixed point"),
        pytest.param(HALF, 0.5, id="half of them are true"),
        pytest.param(0.25, 0.588, id="a cat that is seen perfectly"),
        pytest.param(0.4, 0.841, id="a dog that is seen perfectly"),
        pytest.param(1.0, 0.986, id="the highest score"),
    ],
)
def test_scores(mean: float, score: float) -> None:
    assert rescaled(np.array([mean]))[0] == pytest.approx(score, abs=5e-4)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=2, unique=True))
def test_the_order_stays(means: list[float]) -> None:
    low, high = sorted(means)
    before, after = rescaled(np.array([low, high]))
    assert 0 <= before <= after <= 1


@given(st.floats(0, 1))
def test_a_score_is_on_the_same_side_of_the_fixed_point(mean: float) -> None:
    (score,) = rescaled(np.array([mean]))
    assert (score > FIXED + 1e-12) <= (mean > FIXED)
    assert (score < FIXED - 1e-12) <= (mean < FIXED)


def test_all_classes_of_a_tubelet_are_rescaled() -> None:
    found = [frame(t, (0, [0.4, 0.25, 0.01])) for t in range(8)]
    raw = label_tubelet(tube(range(8)), found, TubeletParams(rescale=False))
    scaled = label_tubelet(tube(range(8)), found, TubeletParams())
    assert [score for _, score in raw.classes] == pytest.approx([0.4, 0.25])
    assert [score for _, score in scaled.classes] == pytest.approx(rescaled(np.array([0.4, 0.25])), abs=1e-6)


def test_the_paper_keeps_the_means() -> None:
    assert not preset("paper").tubelets.rescale

"""J and F on hand-made masks; the values are those of trackeval's copy of the official tool (with scikit-image)."""

from typing import Any

import numpy as np
import pytest

from evaluation.metrics.davis import boundary_accuracy, region_similarity

HW = (120, 160)
NOTHING = np.zeros(HW, np.bool_)


def rectangle(y1: int, y2: int, x1: int, x2: int) -> Any:
    mask = np.zeros(HW, np.bool_)
    mask[y1:y2, x1:x2] = True
    return mask


def ellipse(cy: int, cx: int, ry: int, rx: int) -> Any:
    y, x = np.ogrid[: HW[0], : HW[1]]
    return ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1


CASES = [
    pytest.param(rectangle(20, 60, 30, 90), rectangle(20, 60, 30, 90), 1.0, 1.0, id="same"),
    pytest.param(rectangle(20, 60, 30, 90), rectangle(25, 65, 31, 91), 0.755027, 0.395, id="shifted"),
    pytest.param(rectangle(20, 60, 30, 90), ellipse(40, 60, 20, 30), 0.782265, 0.510577, id="ellipse-in-rectangle"),
    pytest.param(rectangle(0, 120, 100, 160), rectangle(0, 119, 101, 160), 0.975139, 0.805369, id="frame-edge"),
    pytest.param(rectangle(0, 120, 0, 160), rectangle(0, 120, 0, 160), 1.0, 1.0, id="whole-frame"),
    pytest.param(ellipse(60, 60, 10, 20), NOTHING, 0.0, 0.0, id="nothing-found"),
    pytest.param(NOTHING, ellipse(60, 60, 10, 20), 0.0, 0.0, id="nothing-there"),
    pytest.param(NOTHING, NOTHING, 1.0, 1.0, id="both-empty"),
    pytest.param(
        ellipse(60, 40, 20, 20) | ellipse(60, 120, 15, 15), ellipse(61, 42, 20, 22), 0.575743, 0.547826, id="two-parts"
    ),
]


@pytest.mark.parametrize(("truth", "found", "j", "f"), CASES)
def test_values_of_the_official_tool(truth: Any, found: Any, j: float, f: float) -> None:
    assert region_similarity(truth, found) == pytest.approx(j, abs=1e-6)
    assert boundary_accuracy(truth, found) == pytest.approx(f, abs=1e-6)
    assert boundary_accuracy(found, truth) == pytest.approx(f, abs=1e-6)

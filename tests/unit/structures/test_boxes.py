from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.structures.boxes import area, clip, expand, iou_matrix, square

sides = st.floats(1, 50)
places = st.floats(-20, 60)
boxes = st.tuples(places, places, sides, sides).map(
    lambda b: np.array([[b[0], b[1], b[0] + b[2], b[1] + b[3]]], np.float32)
)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param([0, 0, 10, 10], [0, 0, 10, 10], 1.0, id="same"),
        pytest.param([0, 0, 10, 10], [10, 0, 20, 10], 0.0, id="touching"),
        pytest.param([0, 0, 10, 10], [5, 0, 15, 10], 1 / 3, id="half"),
        pytest.param([5, 5, 5, 5], [5, 5, 5, 5], 0.0, id="without-extent"),
    ],
)
def test_iou(a: list[float], b: list[float], expected: float) -> None:
    assert iou_matrix(np.array([a], np.float32), np.array([b], np.float32))[0, 0] == pytest.approx(expected)


def test_area_of_a_box_without_extent_is_zero() -> None:
    """Also of one whose corners are in the wrong order in both directions."""
    given_boxes = np.array([[1, 2, 3, 5], [5, 5, 5, 9], [5, 5, 3, 3]], np.float32)
    assert area(given_boxes).tolist() == [6, 0, 0]


def test_iou_does_not_depend_on_the_unit() -> None:
    a, b = np.array([[0, 0, 10, 10]], np.float32), np.array([[5, 0, 15, 10]], np.float32)
    assert iou_matrix(a / 64, b / 64) == iou_matrix(a, b)


def test_iou_of_every_pair() -> None:
    a = np.array([[0, 0, 10, 10], [0, 0, 10, 20]], np.float32)
    b = np.array([[0, 0, 10, 10], [0, 10, 10, 20], [30, 0, 40, 10]], np.float32)
    assert iou_matrix(a, b).tolist() == [[1, 0, 0], [0.5, 0.5, 0]]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(area, id="area"),
        pytest.param(lambda box: iou_matrix(box, box), id="iou"),
        pytest.param(lambda box: clip(box, (9, 9)), id="clip"),
        pytest.param(lambda box: expand(box, 1.1), id="expand"),
        pytest.param(lambda box: square(box, np.array([8], np.float32)), id="square"),
    ],
)
def test_results_are_float32(values: Callable[[np.ndarray], np.ndarray]) -> None:
    assert values(np.array([[1, 2, 3, 5]], np.float32)).dtype == np.float32


def test_iou_of_nothing_has_shape() -> None:
    assert iou_matrix(np.zeros((0, 4), np.float32), np.zeros((3, 4), np.float32)).shape == (0, 3)


@given(boxes, boxes)
def test_iou_is_symmetric_and_a_share(a: np.ndarray, b: np.ndarray) -> None:
    iou = iou_matrix(a, b)
    assert iou == pytest.approx(iou_matrix(b, a).T)
    assert 0 <= float(iou[0, 0]) <= 1 + 1e-6


def test_clip_expand_square() -> None:
    given_box = np.array([[10, 20, 30, 30]], np.float32)
    assert expand(given_box, 2).tolist() == [[0, 15, 40, 35]]
    assert square(given_box, np.array([8], np.float32)).tolist() == [[16, 21, 24, 29]]
    assert clip(np.array([[-5, -5, 100, 100]], np.float32), (40, 60)).tolist() == [[0, 0, 60, 40]]

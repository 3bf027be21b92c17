"""Masks as run lengths: what is written, what is read, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.structures.masks import (
    area,
    bounding_box,
    decode,
    decode_part,
    encode,
    filled,
    from_coco,
    from_json,
    iou_matrix,
    is_polygons,
)

HW = (40, 60)


def rectangle(x1: int, y1: int, x2: int, y2: int, hw: tuple[int, int] = HW) -> np.ndarray:
    image = np.zeros(hw, np.bool_)
    image[y1:y2, x1:x2] = True
    return image


def test_as_json() -> None:
    """Column by column: 4 pixels outside the mask, 2 inside."""
    rle = encode(np.array([[0, 0], [0, 1], [0, 1]], np.bool_))
    assert rle.json() == {"size": [3, 2], "counts": "42"}
    assert rle.coco() == {"size": [3, 2], "counts": b"42"}
    assert from_json(rle.json()) == from_json({"size": (3, 2), "counts": b"42"}) == rle


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        pytest.param({"size": 3, "counts": "42"}, ValueError, "rle.size: expected [height, width], got 3", id="size"),
        pytest.param({"size": [3], "counts": "42"}, ValueError, "expected [height, width], got [3]", id="one-size"),
        pytest.param(
            {"size": [3, 2], "counts": [4, 2]},
            TypeError,
            "rle.counts: expected a compressed string, got list",
            id="runs",
        ),
    ],
)
def test_no_rle(value: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        from_json(value)
    assert message in str(raised.value)


def test_measures_of_a_mask() -> None:
    rle = encode(rectangle(20, 5, 50, 15))
    assert area(rle) == 30 * 10
    assert bounding_box(rle).tolist() == [20, 5, 50, 15]
    assert bounding_box(rle).dtype == np.float32
    assert bounding_box(encode(np.zeros(HW, np.bool_))).tolist() == [0, 0, 0, 0]
    assert decode(rle).dtype == np.bool_


def test_iou_of_every_pair() -> None:
    a = [encode(rectangle(0, 0, 10, 10)), encode(np.zeros(HW, np.bool_))]
    b = [encode(rectangle(0, 0, 10, 10)), encode(rectangle(5, 0, 15, 10)), encode(np.zeros(HW, np.bool_))]
    iou = iou_matrix(a, b)
    assert iou == pytest.approx(np.array([[1, 1 / 3, 0], [0, 0, 0]]))
    assert iou.dtype == np.float32
    assert iou_matrix(b, a) == pytest.approx(iou.T)


@pytest.mark.parametrize(("a", "b"), [(0, 0), (0, 2), (2, 0)])
def test_iou_of_nothing_has_shape(a: int, b: int) -> None:
    masks = [encode(rectangle(0, 0, 10, 10))] * 2
    iou = iou_matrix(masks[:a], masks[:b])
    assert (iou.shape, iou.dtype) == ((a, b), np.float32)


def test_the_part_of_an_empty_mask_is_empty() -> None:
    part, corner = decode_part(encode(np.zeros(HW, np.bool_)))
    assert (part.shape, part.dtype, corner) == ((0, 0), np.bool_, (0, 0))


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param([20, 5, 50, 15], (20, 5, 50, 15), id="on-edges-of-pixels"),
        pytest.param([20.1, 5.9, 49.1, 14.9], (20, 5, 50, 15), id="every-pixel-that-it-touches"),
        pytest.param([0, 0, 60, 40], (0, 0, 60, 40), id="the-frame"),
        pytest.param([7, 0, 8, 40], (7, 0, 8, 40), id="one-column"),
    ],
)
def test_filled(box: list[float], expected: tuple[int, int, int, int]) -> None:
    rle = filled(np.array(box, np.float32), HW)
    assert rle.size_hw == HW
    assert decode(rle).tolist() == rectangle(*expected).tolist()


@given(arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_a_mask_in_every_form_of_coco(image: np.ndarray) -> None:
    rle = encode(image)
    flat = image.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat, prepend=False)).tolist()
    runs = np.diff([0, *edges, len(flat)]).tolist()
    assert from_coco(rle.json(), rle.size_hw) == rle
    assert decode(from_coco({"size": list(image.shape), "counts": runs}, rle.size_hw)).tolist() == image.tolist()
    assert decode(rle).tolist() == image.tolist()


def test_runs_of_a_large_frame() -> None:
    """Runs of up to 4 characters, and differences of both signs."""
    image = np.zeros((2160, 3840), np.bool_)
    image[100:2000, 1000:1500] = image[1500:1600, 3000:3010] = image[0, 3839] = True
    rle = encode(image)
    assert from_coco(rle.json(), rle.size_hw) == rle
    part, (x, y) = decode_part(rle)
    assert np.array_equal(part, image[y : y + part.shape[0], x : x + part.shape[1]])


@pytest.mark.parametrize(
    ("polygons", "expected"),
    [
        pytest.param([[20, 5, 50, 5, 50, 15, 20, 15]], [(20, 5, 50, 15)], id="one"),
        pytest.param(
            [[0, 0, 5.0, 0, 5, 5, 0, 5], [20, 5, 50, 5, 50, 15, 20, 15]], [(0, 0, 5, 5), (20, 5, 50, 15)], id="two"
        ),
    ],
)
def test_polygons(polygons: list[list[float]], expected: list[tuple[int, int, int, int]]) -> None:
    rle = from_coco(polygons, HW)
    assert rle.size_hw == HW
    assert decode(rle).tolist() == np.logical_or.reduce([rectangle(*each) for each in expected]).tolist()


@pytest.mark.parametrize(
    ("value", "are"),
    [
        pytest.param([[0, 0, 5, 0, 5, 5]], True, id="a-triangle"),
        pytest.param([[0, 0, 5, 0, 99999.5, -99999.5]], True, id="just-small-enough"),
        pytest.param([[0, 0, 5, 0, 5, 1e5]], False, id="too-large"),
        pytest.param([[0, 0, 5, 0, 5, -1e5]], False, id="too-far-to-the-left"),
        pytest.param([[0, 0, 5, 0, 5, float("nan")]], False, id="not-a-number"),
        pytest.param([[0, 0, 5, 0, 5, True]], False, id="a-truth-value"),
        pytest.param([[0, 0, 5, 0, 5, "5"]], False, id="a-text"),
        pytest.param([[0, 0, 5, 0]], False, id="two-points"),
        pytest.param([[0, 0, 5, 0, 5, 5, 0]], False, id="half-a-point"),
        pytest.param([[0, 0, 5, 0, 5, 5], [0, 0]], False, id="the-second-is-none"),
        pytest.param([(0, 0, 5, 0, 5, 5)], False, id="a-tuple"),
        pytest.param([], False, id="none"),
        pytest.param({"size": [1, 1]}, False, id="an-rle"),
    ],
)
def test_what_are_polygons(value: object, are: bool) -> None:
    assert is_polygons(value) is are


SIZE = "expected an RLE of size [3, 2] (height, width of the frame), got "
RUNS = "expected counts whose runs cover 3 x 2 pixels, got "


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param("42", "expected an RLE or polygons of at least three points, got '42'", id="a-text"),
        pytest.param({"counts": "42"}, f"{SIZE}None", id="no-size"),
        pytest.param({"size": [2, 3], "counts": "42"}, f"{SIZE}[2, 3]", id="another-size"),
        pytest.param({"size": [3, 2]}, f"{RUNS}None", id="no-counts"),
        pytest.param({"size": [3, 2], "counts": [4, 1]}, f"{RUNS}[4, 1]", id="too-short"),
        pytest.param({"size": [3, 2], "counts": [4, 3]}, f"{RUNS}[4, 3]", id="too-long"),
        pytest.param({"size": [3, 2], "counts": [7, -1]}, f"{RUNS}[7, -1]", id="negative"),
        pytest.param({"size": [3, 2], "counts": [4.0, 2]}, f"{RUNS}[4.0, 2]", id="not-an-integer"),
        pytest.param({"size": [3, 2], "counts": "41"}, f"{RUNS}'41'", id="compressed-too-short"),
        pytest.param({"size": [3, 2], "counts": "42/"}, f"{RUNS}'42/'", id="character-before-the-first"),
        pytest.param({"size": [3, 2], "counts": "42p"}, f"{RUNS}'42p'", id="character-after-the-last"),
        pytest.param({"size": [3, 2], "counts": "42P"}, f"{RUNS}'42P'", id="ends-within-a-number"),
        pytest.param({"size": [3, 2], "counts": "4RPPPPPP0"}, f"{RUNS}'4RPPPPPP0'", id="a-number-of-8-characters"),
        pytest.param({"size": [3, 2], "counts": "x" * 200}, f"{RUNS}'{'x' * 79}", id="a-long-text-is-cut"),
    ],
)
def test_no_mask_of_this_frame(value: object, message: str) -> None:
    with pytest.raises(ValueError, match="expected") as raised:
        from_coco(value, (3, 2))
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "counts",
    [
        pytest.param([4, 2], id="runs"),
        pytest.param([4, 2, 0], id="with-an-empty-run"),
        pytest.param("42", id="compressed"),
        pytest.param("4RPPPPP0", id="a-number-of-7-characters"),
        pytest.param("420", id="the-third-is-no-difference"),
        pytest.param("420N", id="the-fourth-is-one-to-the-second"),
    ],
)
def test_runs_of_one_mask(counts: object) -> None:
    mask = from_coco({"size": [3, 2], "counts": counts}, (3, 2))
    assert decode(mask).tolist() == [[False, False], [False, True], [False, True]]

"""Masks made from the part of the frame where something is: the same as from the whole frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.structures.canvas import Canvas
from service.structures.masks import decode_part, encode, encode_part
from service.tracking.dual_tracker import PixelStep, TrackState, after_pixel
from service.tracking.fusion import cut_at_box
from service.tracking.params import FusionParams, TrackerParams
from service.tracking.windows import paste_part, paste_probability

SIDES = st.integers(1, 9)
EDGES = st.tuples(*(st.floats(-15, 25, width=32) for _ in range(4)))


@st.composite
def parts(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, int], tuple[int, int]]:
    height, width = draw(SIDES), draw(SIDES)
    rows, columns = draw(st.integers(0, height)), draw(st.integers(0, width))
    corner = draw(st.integers(0, width - columns)), draw(st.integers(0, height - rows))
    return draw(arrays(np.bool_, (rows, columns))), corner, (height, width)


@given(parts())
def test_encoded_as_if_the_rest_of_the_frame_were_there(
    case: tuple[np.ndarray, tuple[int, int], tuple[int, int]],
) -> None:
    part, (x, y), hw = case
    whole = np.zeros(hw, np.bool_)
    whole[y : y + part.shape[0], x : x + part.shape[1]] = part
    rle = encode(whole)
    assert encode_part(part, (x, y), hw) == rle
    decoded, (left, top) = decode_part(rle)
    again = np.zeros(hw, np.bool_)
    again[top : top + decoded.shape[0], left : left + decoded.shape[1]] = decoded
    assert np.array_equal(again, whole)
    # no row or column more than needed
    edges = [] if not decoded.size else [decoded[0], decoded[-1], decoded[:, 0], decoded[:, -1]]
    assert all(edge.any() for edge in edges)


@pytest.mark.parametrize("value", [False, True])
def test_a_part_that_is_the_frame(value: bool) -> None:
    whole = np.full((480, 640), value)
    assert encode_part(whole, (0, 0), (480, 640)) == encode(whole)


@given(arrays(np.float32, (4, 4), elements=st.floats(0, 1, width=32)), EDGES, EDGES)
def test_pasted_and_cut_as_on_the_whole_frame(probability: np.ndarray, window: tuple, box: tuple) -> None:
    hw, params = (12, 18), FusionParams()
    ordered = [np.array([*np.minimum(e[:2], e[2:]), *np.maximum(e[:2], e[2:])], np.float32) for e in (window, box)]
    whole = cut_at_box(paste_probability(probability, ordered[0], hw), ordered[1], params)
    part, (x, y) = paste_part(probability, ordered[0], hw)
    placed = np.zeros(hw, np.float32)
    placed[y : y + part.shape[0], x : x + part.shape[1]] = cut_at_box(part, ordered[1], params, (x, y))
    np.testing.assert_array_equal(placed, whole)


@given(st.integers(0, 2**32 - 1))
def test_a_step_gives_the_mask_of_the_whole_frame(seed: int) -> None:
    random = np.random.default_rng(seed)
    corner, side = random.uniform(-20, 100, 2), random.uniform(32, 90)
    window = np.array([*corner, *(corner + side)], np.float32)
    box = np.array([*(corner + side / 5), *(corner + side * random.uniform(0.5, 1.2))], np.float32)
    canvas = Canvas((150, 201), (120, 160))
    probability = random.random((64, 64)).astype(np.float32)
    state = TrackState(0, box, window, probability, np.zeros((1, 64, 64), np.float32))
    params = TrackerParams(fusion=FusionParams(stray_area=0))
    _, outcome = after_pixel(state, PixelStep(window, probability, state.embedding), canvas, params)
    pasted = paste_probability(probability, window / canvas.scale_xyxy, canvas.frame_hw)
    mask = cut_at_box(pasted, box / canvas.scale_xyxy, FusionParams()) >= FusionParams().mask_thresh
    assert outcome.mask == (encode(mask) if mask.sum() >= FusionParams().min_area else None)

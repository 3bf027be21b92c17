"""docs/method.md, section 5.4: pieces that are neither the main one nor touch the last mask go, if they are small."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.tracking.pieces import without_strays

NOTHING: list[str] = ["......."] * 3


def grid(rows: list[str]) -> np.ndarray:
    return np.array([[cell == "#" for cell in row] for row in rows])


@pytest.mark.parametrize(
    ("mask", "last", "kept"),
    [
        pytest.param(NOTHING, NOTHING, NOTHING, id="an-empty-mask"),
        pytest.param(["##.....", "#......", "......."], NOTHING, ["##.....", "#......", "......."], id="one-piece"),
        pytest.param(["##....#", "##.....", "......."], NOTHING, ["##.....", "##.....", "......."], id="a-stray"),
        pytest.param(
            ["##....#", "##.....", "....#.."],
            ["......#", ".......", "......."],
            ["##....#", "##.....", "......."],
            id="a-piece-that-was-there-before-stays-and-the-other-goes",
        ),
        pytest.param(
            ["##...##", "##....#", "......."],
            [".....#.", ".......", "......."],
            ["##...##", "##....#", "......."],
            id="one-pixel-on-the-last-mask-keeps-the-whole-piece",
        ),
        pytest.param(
            ["##....#", "##.....", "......."],
            [".....#.", ".......", "......."],
            ["##.....", "##.....", "......."],
            id="beside-the-last-mask-is-not-on-it",
        ),
        pytest.param(["##.....", "..#....", "......."], NOTHING, ["##.....", "..#....", "......."], id="corners-join"),
        pytest.param(["##...##", ".......", "......."], NOTHING, ["##.....", ".......", "......."], id="equal-ones"),
        pytest.param(
            ["#......", "....##.", "......."], NOTHING, [".......", "....##.", "......."], id="size-not-order"
        ),
    ],
)
def test_strays(mask: list[str], last: list[str], kept: list[str]) -> None:
    found = without_strays(grid(mask), grid(mask), lambda: grid(last), 1)
    assert found.dtype == np.bool_
    assert found.tolist() == grid(kept).tolist()


def test_the_last_mask_is_not_needed_for_one_piece() -> None:
    def never() -> np.ndarray:
        raise AssertionError

    mask = grid(["##.....", "#......"])
    assert without_strays(mask, mask, never, 1).sum() == 3


@pytest.mark.parametrize(
    ("most", "kept"),
    [
        pytest.param(0.5, "####....", id="half-of-the-main-piece"),
        pytest.param(0.49, "####.##.", id="larger-than-that"),
    ],
)
def test_only_small_pieces_are_strays(most: float, kept: str) -> None:
    mask, nothing = grid(["####.##."]), np.zeros((1, 8), np.bool_)
    assert without_strays(mask, mask, lambda: nothing, most).tolist() == grid([kept]).tolist()


@pytest.mark.parametrize(
    ("core", "kept"),
    [
        pytest.param("......#.", ".....##.", id="the-piece-in-the-box"),
        pytest.param("##....#.", "####....", id="most-of-the-core"),
        pytest.param("........", "####....", id="no-core"),
    ],
)
def test_the_main_piece_has_most_of_the_core(core: str, kept: str) -> None:
    nothing = np.zeros((1, 8), np.bool_)
    assert without_strays(grid(["####.##."]), grid([core]), lambda: nothing, 2).tolist() == grid([kept]).tolist()


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.6))
def test_what_stays_are_whole_pieces(seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    mask, last = random.random((12, 15)) < share, random.random((12, 15)) < 0.1
    found = without_strays(mask, mask, lambda: last, 1)
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    sizes = [int((labels == k).sum()) for k in range(1, count)]
    for piece in (labels == k for k in range(1, count)):
        assert found[piece].all() or not found[piece].any()
        assert found[piece].all() or piece.sum() <= max(sizes)
        assert found[piece].all() or not (piece & last).any()
    assert not (found & ~mask).any()
    assert found.any() == mask.any()
    assert (without_strays(found, found, lambda: last, 1) == found).all(), "nothing more goes the second time"

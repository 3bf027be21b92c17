"""docs/method.md, section 5.1: anchors and the ranking."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.tracking import siamese_ranking
from service.tracking.anchors import ANCHORS, anchor_grid, anchor_sizes, decode, encode
from service.tracking.params import SiameseParams
from service.tracking.siamese_ranking import rank
from service.tracking.windows import search_windows
from tests.golden import siamese_ranking as golden

MIDDLE = (12 * 25 + 12) * 5 + 2
"""The square anchor of the middle cell."""


def test_anchor_sizes() -> None:
    assert anchor_sizes().tolist() == [[104, 32], [88, 40], [64, 64], [40, 80], [32, 96]]
    assert anchor_sizes().dtype == np.float32


def test_sizes_change_by_a_factor_of_54_at_most() -> None:
    deltas = np.array([[[0, 0, -4, 4], [0, 0, -99, 99]]], np.float32)
    boxes = decode(anchor_grid()[[MIDDLE, MIDDLE]], deltas)
    assert boxes[0, 0].tolist() == boxes[0, 1].tolist() == pytest.approx([0, 0, 64 * np.exp(-4), 64 * np.exp(4)])
    assert boxes.dtype == np.float32


def test_anchor_order_and_center() -> None:
    grid = anchor_grid()
    assert grid.shape == (ANCHORS, 4)
    assert grid[MIDDLE].tolist() == [0, 0, 64, 64]
    assert grid[(0 * 25 + 24) * 5, :2].tolist() == [96, -96]


@given(st.lists(st.tuples(*[st.floats(-100, 100)] * 2, *[st.floats(5, 200)] * 2), min_size=1, max_size=5))
def test_decode_inverts_encode(boxes: list[tuple[float, ...]]) -> None:
    wanted = np.tile(np.array(boxes, np.float32)[:, None], (1, 3, 1))
    anchors = anchor_grid()[[0, MIDDLE, -1]]
    near = np.abs(np.log(wanted[..., 2:] / anchors[:, 2:])).max() < 3.9
    if near:
        np.testing.assert_allclose(decode(anchors, encode(anchors, wanted)), wanted, rtol=1e-3, atol=1e-2)


def answer(best: int, score: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    scores, deltas = np.full((1, ANCHORS), 0.01, np.float32), np.zeros((1, ANCHORS, 4), np.float32)
    scores[0, best] = score
    return scores, deltas


def test_box_follows_the_best_anchor() -> None:
    box = np.array([[100, 100, 150, 150]], np.float32)
    windows = search_windows(box)
    shifted = MIDDLE + 5 * 5  # five cells, 40 virtual px, to the right
    found, scores = rank(box, windows, *answer(shifted), SiameseParams(window_influence=0), (400, 400))
    step = 40 * (windows[0, 2] - windows[0, 0]) / 255
    assert (found[0, 0] + found[0, 2]) / 2 == pytest.approx(125 + step, abs=0.1)
    assert (found.dtype, scores.dtype) == (np.float32, np.float32)
    assert scores == pytest.approx([0.9])


def test_cosine_window_prefers_the_middle_among_equals() -> None:
    box = np.array([[100, 100, 150, 150]], np.float32)
    scores, deltas = answer(MIDDLE)
    scores[0, MIDDLE + 50] = 0.9
    found, _ = rank(box, search_windows(box), scores, deltas, SiameseParams(), (400, 400))
    assert (found[0, 0] + found[0, 2]) / 2 == pytest.approx(125, abs=0.1)


def test_size_is_smoothed_by_lr_times_penalty_times_score() -> None:
    """A square box and the 32 x 96 anchor; the square is 50 / 100 of the template window, so 63.5 of its 127 px."""
    box = np.array([[100, 100, 150, 150]], np.float32)
    tall = MIDDLE + 2
    found, _ = rank(box, search_windows(box), *answer(tall, 0.5), SiameseParams(lr=0.4, penalty_k=0.2), (400, 400))
    ratio_change, size_change = 3, ((32 + 64) * (96 + 64)) ** 0.5 / 127
    rate = 0.4 * 0.5 * np.exp(-0.2 * (ratio_change * max(size_change, 1 / size_change) - 1))
    proposed = np.array([32, 96]) * 100 / 127
    assert found[0, 2:] - found[0, :2] == pytest.approx(50 + rate * (proposed - 50), abs=0.01)
    assert rate < 0.14, "the penalty has to show"


def test_golden_file_is_what_the_formulas_give() -> None:
    written = json.loads(golden.FILE.read_text())
    assert [each["name"] for each in written] == [each["name"] for each in golden.CASES]
    for each, computed in zip(written, golden.cases()):
        assert {**each, "expected": None} == {**computed, "expected": None}
        for key, value in computed["expected"].items():
            assert each["expected"][key] == pytest.approx(value)


@pytest.mark.parametrize("case", json.loads(golden.FILE.read_text()), ids=lambda case: case["name"].replace(" ", "-"))
def test_ranking_is_that_of_the_published_formulas(case: dict[str, Any]) -> None:
    scores, deltas = np.full((1, ANCHORS), case["background"], np.float32), np.zeros((1, ANCHORS, 4), np.float32)
    for proposal in case["proposals"]:
        place = (proposal["row"] * 25 + proposal["column"]) * 5 + proposal["anchor"]
        scores[0, place], deltas[0, place] = proposal["score"], proposal["deltas"]
    previous = np.array([case["previous"]], np.float32)
    windows = search_windows(previous)
    assert windows[0] == pytest.approx(np.array(case["expected"]["window"]), abs=1e-3)
    found, raw = rank(previous, windows, scores, deltas, SiameseParams(**case["params"]), tuple(case["frame_hw"]))
    assert found[0] == pytest.approx(np.array(case["expected"]["box"]), abs=2e-3)
    assert raw == pytest.approx([case["expected"]["score"]])


@pytest.mark.parametrize("sharpness", [0, 1, 30], ids=["all-alike", "any", "few-high"])
@pytest.mark.parametrize("penalty_k", [0.05, 2.0])
def test_proposals_left_out_change_nothing(sharpness: int, penalty_k: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(sharpness)
    corners, sides = rng.uniform(0, 300, (7, 2)), rng.uniform(10, 200, (7, 2))
    boxes = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    scores = (rng.random((7, ANCHORS)) ** sharpness).astype(np.float32)
    deltas = rng.normal(0, 1, (7, ANCHORS, 4)).astype(np.float32)
    given = boxes, search_windows(boxes), scores, deltas, SiameseParams(penalty_k=penalty_k), (400, 400)
    some = rank(*given)
    monkeypatch.setattr(siamese_ranking, "LIKELY", ANCHORS)
    every = rank(*given)
    assert [array.tobytes() for array in some] == [array.tobytes() for array in every]


def test_tracks_of_a_batch_do_not_influence_each_other() -> None:
    rng = np.random.default_rng(5)
    corners, sides = rng.uniform(0, 300, (5, 2)), rng.uniform(10, 200, (5, 2))
    boxes = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    given = boxes, search_windows(boxes), rng.random((5, ANCHORS), np.float32), rng.normal(0, 1, (5, ANCHORS, 4))
    each = [rank(*(array[i : i + 1] for array in given), SiameseParams(), (400, 300)) for i in range(5)]
    found, scores = rank(*given, SiameseParams(), (400, 300))
    assert found.tolist() == [one.tolist() for (one,), _ in each]
    assert scores.tolist() == [one for _, (one,) in each]


def test_proposals_that_cannot_win_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their scores are well below the best one's: even in the middle of the window they could not make up for it."""
    box = np.array([[100, 100, 150, 150]], np.float32)
    scores, deltas = answer(MIDDLE)
    scores[0, scores[0] < 0.9] = 0.5
    decoded: list[int] = []
    monkeypatch.setattr(siamese_ranking, "decode", lambda *given: decoded.append(given[1].shape[1]) or decode(*given))
    rank(box, search_windows(box), scores, deltas, SiameseParams(), (400, 400))
    assert decoded == [siamese_ranking.LIKELY]


def test_result_stays_in_the_frame_and_no_tracks_is_fine() -> None:
    box = np.array([[380, 380, 399, 399]], np.float32)
    found, _ = rank(box, search_windows(box), *answer(ANCHORS - 3), SiameseParams(window_influence=0), (400, 400))
    assert ((found[0, :2] + found[0, 2:]) / 2 <= 400).all()
    empty = np.zeros((0, 4), np.float32)
    found, scores = rank(
        empty,
        empty,
        np.zeros((0, ANCHORS), np.float32),
        np.zeros((0, ANCHORS, 4), np.float32),
        SiameseParams(),
        (400, 400),
    )
    assert (found.shape, found.dtype) == ((0, 4), np.float32)
    assert (scores.shape, scores.dtype) == ((0,), np.float32)

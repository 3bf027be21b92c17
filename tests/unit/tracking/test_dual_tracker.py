"""docs/method.md, sections 5.2 and 5.4.

Pixels outside the box are 0, a lost track is frozen, and it is found again only above `leave`.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.structures.canvas import Canvas
from service.structures.masks import bounding_box, decode
from service.tracking.dual_tracker import (
    PixelStep,
    TrackState,
    absent,
    after_pixel,
    after_siamese,
    box_alone,
    extent,
    mask_box,
    mean_embedding,
    redetected,
    seed_window,
)
from service.tracking.params import FusionParams, LostParams, SiameseParams, TrackerParams
from tests.unit.builders import candidate

CANVAS = Canvas((80, 120), (160, 240))
LOST = LostParams(enter=0.5, leave=0.7)
PARAMS = TrackerParams(SiameseParams(lost=LOST), FusionParams(margin=1.0, couple=0.0))
BOX = np.array([40, 40, 80, 80], np.float32)
WINDOW = np.array([30, 30, 94, 94], np.float32)
BELOW_HALF, ABOVE_HALF = (float(np.nextafter(np.float32(0.5), np.float32(towards))) for towards in (0, 1))
ABOVE_THREE_QUARTERS = float(np.nextafter(np.float32(0.75), np.float32(1)))


def state(**changes: object) -> TrackState:
    base = TrackState(0, BOX, WINDOW, np.zeros((64, 64), np.float32), np.zeros((2, 64, 64), np.float32))
    return replace(base, **changes)  # type: ignore[arg-type]


def seen(params: TrackerParams = PARAMS, probability: float = 1.0):
    return after_pixel(state(), step(np.full((64, 64), probability, np.float32)), CANVAS, params)


def step(probability: np.ndarray, **more: object) -> PixelStep:
    return PixelStep(WINDOW, probability, np.ones((2, 64, 64), np.float32), **more)  # type: ignore[arg-type]


def test_mask_is_cut_at_the_box_in_the_original_frame() -> None:
    moved, outcome = seen()
    mask = decode(outcome.mask)
    assert mask[20:40, 20:40].all()
    assert mask.sum() == 20 * 20
    assert outcome.box.tolist() == [20, 20, 40, 40]
    assert moved.probability.sum() == 40 * 40  # the product is what is fed back
    assert (moved.window.tolist(), moved.embedding.min()) == (WINDOW.tolist(), 1), "with its window and embedding"


def test_margin_widens_the_cut() -> None:
    _, outcome = seen(TrackerParams(fusion=FusionParams(margin=1.2, couple=0.0)))
    assert decode(outcome.mask).sum() == 24 * 24


def test_without_fusion_nothing_is_cut_and_nothing_is_lost() -> None:
    params = TrackerParams(fusion=FusionParams(kind="none"))
    _, outcome = seen(params)
    assert decode(outcome.mask).sum() == 32 * 32
    assert not after_siamese(state(), BOX, 0.0, params).lost


def test_too_small_a_mask_is_empty_and_freezes_the_pixel_state() -> None:
    before = state()
    weak, other = np.full((64, 64), 0.2, np.float32), np.ones((2, 64, 64), np.float32)
    moved, outcome = after_pixel(before, PixelStep(WINDOW + 7, weak, other), CANVAS, PARAMS)
    assert outcome.mask is None
    assert (outcome.box.tolist(), outcome.box.dtype, outcome.score) == ([0, 0, 0, 0], np.float32, 0)
    for name in ("box", "window", "probability", "embedding"):
        assert getattr(moved, name) is getattr(before, name), name


@pytest.mark.parametrize(
    ("min_area", "visible"), [pytest.param(400, True, id="just-as-large"), pytest.param(401, False, id="one-px-short")]
)
def test_a_mask_of_the_smallest_area_is_one(min_area: int, visible: bool) -> None:
    """The mask has 20 x 20 px of the original frame."""
    _, outcome = seen(replace(PARAMS, fusion=replace(PARAMS.fusion, min_area=min_area)))
    assert (outcome.mask is not None) is visible


@pytest.mark.parametrize(
    ("lost", "score", "after"),
    [
        pytest.param(False, 0.5, False, id="at-enter-still-tracked"),
        pytest.param(False, BELOW_HALF, True, id="below-enter-lost"),
        pytest.param(True, 0.75, True, id="at-leave-still-lost"),
        pytest.param(True, ABOVE_THREE_QUARTERS, False, id="above-leave-back"),
    ],
)
def test_scores_at_the_thresholds_change_nothing(lost: bool, score: float, after: bool) -> None:
    params = TrackerParams(SiameseParams(lost=LostParams(enter=0.5, leave=0.75)))
    assert after_siamese(state(lost=lost), BOX, score, params).lost is after


@pytest.mark.parametrize(("score", "found"), [(0.75, False), (ABOVE_THREE_QUARTERS, True)])
def test_a_candidate_at_leave_does_not_take_a_lost_track_over(score: float, found: bool) -> None:
    again = redetected(
        state(lost=True, lost_frames=1), BOX[None], np.array([score], np.float32), LostParams(leave=0.75)
    )
    assert again.lost is (not found)


@pytest.mark.parametrize(("mask_thresh", "visible"), [(0.5, True), (ABOVE_HALF, False)])
def test_a_pixel_at_the_mask_threshold_belongs_to_the_object(mask_thresh: float, visible: bool) -> None:
    fusion = replace(PARAMS.fusion, mask_thresh=mask_thresh)
    _, outcome = seen(replace(PARAMS, fusion=fusion), probability=0.5)
    assert (outcome.mask is not None) is visible


def test_score_of_the_step_is_kept() -> None:
    assert after_siamese(state(), BOX, 0.9, PARAMS).score == 0.9
    assert after_siamese(state(), BOX, 0.4, PARAMS).score == 0.4
    assert after_siamese(state(score=0.4), BOX, 0.2, TrackerParams(fusion=FusionParams(kind="none"))).score == 1


def test_lost_below_enter_and_frozen() -> None:
    lost = after_siamese(state(), BOX + 9, 0.4, PARAMS)
    assert lost.lost
    np.testing.assert_array_equal(lost.box, BOX)
    still = after_siamese(lost, BOX + 9, 0.69, PARAMS)
    assert still.lost
    assert still.lost_frames == 2
    np.testing.assert_array_equal(still.box, BOX)


def test_back_in_its_own_window_above_leave() -> None:
    back = after_siamese(state(lost=True, lost_frames=3), BOX + 9, 0.71, PARAMS)
    assert not back.lost
    assert back.lost_frames == 0
    np.testing.assert_array_equal(back.box, BOX + 9)


@pytest.mark.parametrize(("score", "found"), [(0.69, False), (0.71, True)])
def test_found_again_above_leave(score: float, found: bool) -> None:
    lost = state(lost=True, lost_frames=3)
    again = redetected(lost, np.array([BOX + 5, BOX + 20]), np.array([0.1, score], np.float32), LOST)
    assert again.lost is (not found)
    if found:
        np.testing.assert_array_equal(again.box, BOX + 20)
        assert again.lost_frames == 0


@pytest.mark.parametrize(
    ("lost_frames", "reach", "found"), [(4, 0.25, False), (6, 0.25, True), (1, 2.0, True), (1, 0.0, True)]
)
def test_found_again_only_where_it_can_have_got_to(lost_frames: int, reach: float, found: bool) -> None:
    aside = BOX + np.array([60, 0, 60, 0], np.float32)  # one and a half of its sizes away
    lost = state(lost=True, lost_frames=lost_frames)
    again = redetected(lost, aside[None], np.array([0.9], np.float32), LostParams(reach=reach))
    assert again.lost is (not found)


@pytest.mark.parametrize(
    ("aside", "lost_frames", "found"),
    [
        pytest.param((60, 0), 1, True, id="its-size-to-the-right"),
        pytest.param((61, 0), 1, False, id="farther-to-the-right"),
        pytest.param((0, 60), 1, True, id="its-size-down"),
        pytest.param((0, 61), 1, False, id="farther-down"),
        pytest.param((-36, 48), 1, True, id="its-size-diagonally"),
        pytest.param((-36, 49), 1, False, id="farther-diagonally"),
        pytest.param((61, 0), 4, False, id="within-4-frames-as-far"),
        pytest.param((120, 0), 8, True, id="within-8-frames-twice-as-far"),
        pytest.param((121, 0), 8, False, id="within-8-frames-not-farther"),
    ],
)
def test_reach_is_the_distance_of_the_centers(aside: tuple[int, int], lost_frames: int, found: bool) -> None:
    """The box is 90 x 40 px, so its size is 60 px; the candidate has another size."""
    center = np.array([305, 260])
    lost = state(lost=True, lost_frames=lost_frames, box=np.array([260, 240, 350, 280], np.float32))
    candidate = np.concatenate([center + aside - [10, 5], center + aside + [10, 5]]).astype(np.float32)
    again = redetected(lost, candidate[None], np.array([0.9], np.float32), LostParams(reach=0.25))
    assert again.lost is (not found)


def test_found_again_at_the_best_candidate_within_reach() -> None:
    boxes = np.array([BOX + 400, BOX + 5, BOX + 10, BOX + 15], np.float32)
    again = redetected(state(lost=True, lost_frames=1), boxes, np.array([0.9, 0.6, 0.8, 0.7], np.float32), LostParams())
    assert again.box.tolist() == (BOX + 10).tolist()
    assert again.score == pytest.approx(0.8)


def test_window_of_a_seed_is_around_its_box_in_the_network_frame() -> None:
    seed = candidate(3, 15, [0.9, 0, 0])  # 10 x 10 px from (15, 5) on; the network frame is twice as large
    box, window = seed_window(seed, CANVAS, FusionParams(window_context=4))
    assert (box.tolist(), box.dtype) == ([30, 10, 50, 30], np.float32)
    assert window.tolist() == [0, -20, 80, 60]


def test_no_candidates_no_rediscovery() -> None:
    lost = state(lost=True)
    assert redetected(lost, np.zeros((0, 4), np.float32), np.zeros(0, np.float32), LostParams()) is lost


def test_direction_stops_after_max_frames() -> None:
    params = TrackerParams(siamese=SiameseParams(lost=LostParams(max_frames=2)))
    track = state()
    for _ in range(2):
        track = after_siamese(track, BOX, 0.0, params)
    assert track.stopped(params.siamese.lost)
    assert not track.stopped(LostParams())


@pytest.mark.parametrize(
    ("lost_frames", "max_frames", "stopped"),
    [
        pytest.param(0, 1, False, id="tracked"),
        pytest.param(1, 1, True, id="lost-in-one-frame"),
        pytest.param(1, 2, False, id="a-frame-too-few"),
        pytest.param(99, 0, False, id="never"),
    ],
)
def test_frames_until_a_direction_stops(lost_frames: int, max_frames: int, stopped: bool) -> None:
    assert state(lost=True, lost_frames=lost_frames).stopped(LostParams(max_frames=max_frames)) is stopped


@pytest.mark.parametrize(
    ("couple", "expected"),
    [
        pytest.param(0.0, [40, 40, 80, 80], id="the-box-stands"),
        pytest.param(0.25, [41, 40, 81, 80], id="a-quarter-of-the-way"),
        pytest.param(1.0, [44, 40, 84, 80], id="the-mask-alone"),
    ],
)
def test_mask_pulls_the_box_where_they_agree(couple: float, expected: list[float]) -> None:
    probability = np.zeros((64, 64), np.float32)
    probability[10:50, 14:54] = 1  # 44..84 px across, 40..80 px down
    params = TrackerParams(fusion=FusionParams(margin=1.3, couple=couple))
    moved, _ = after_pixel(state(), step(probability), CANVAS, params)
    assert moved.box.tolist() == expected


@pytest.mark.parametrize(
    ("width", "x2"),
    [
        pytest.param(12, 66, id="at-the-smallest-iou-the-box-follows"),
        pytest.param(11, 80, id="below-it-the-siamese-box-stands"),
    ],
)
def test_mask_pulls_the_box_only_from_the_smallest_iou_on(width: int, x2: float) -> None:
    """A mask as high as the box and `width` of its 40 px wide: 12 / 40 is `COUPLE_IOU`, exact in float32."""
    probability = np.zeros((64, 64), np.float32)
    probability[10:50, 10 : 10 + width] = 1
    params = TrackerParams(fusion=FusionParams(couple=0.5))
    moved, outcome = after_pixel(state(), step(probability), CANVAS, params)
    assert outcome.mask is not None
    assert moved.box.tolist() == [40, 40, x2, 80]


@pytest.mark.parametrize("couple", [0.0, 0.5])
def test_without_fusion_the_box_is_that_of_the_mask(couple: float) -> None:
    """Also where the two do not agree."""
    probability = np.zeros((64, 64), np.float32)
    probability[50:60, 2:12] = 1
    params = TrackerParams(fusion=FusionParams(kind="none", couple=couple))
    moved, _ = after_pixel(state(), step(probability), CANVAS, params)
    assert moved.box.tolist() == [32, 80, 42, 90]


def test_a_finer_mask_is_shown_and_the_first_one_is_fed_back() -> None:
    """docs/method.md, section 5.5."""
    coarse, finer = np.zeros((64, 64), np.float32), np.zeros((112, 112), np.float32)
    coarse[10:50, 10:50] = 1
    finer[28:84, 28:56] = 1  # of the window's 64 px: 16..32 px across and 16..48 px down
    moved, outcome = after_pixel(state(), step(coarse, finer=finer), CANVAS, PARAMS)
    assert bounding_box(outcome.mask).tolist() == [23, 23, 31, 39]
    assert moved.probability.tolist() == coarse.tolist()


def test_look_is_the_mean_embedding_of_the_object() -> None:
    embedding = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    probability = np.full((3, 3), BELOW_HALF, np.float32)
    nothing = mean_embedding(embedding, probability, FusionParams(mask_thresh=0.5))
    assert (nothing.shape, nothing.dtype) == ((0,), np.float16)
    probability[0, 1] = probability[1, 2] = 0.5
    look = mean_embedding(embedding, probability, FusionParams(mask_thresh=0.5))
    assert (look.tolist(), look.dtype) == ([3, 12], np.float16)
    _, outcome = seen()
    assert outcome.look.tolist() == [1, 1]
    assert (absent().look.shape, absent().look.dtype) == ((0,), np.float16)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        pytest.param([(2, 3)], [107, 10, 108, 12], id="one-sample"),
        pytest.param([(2, 3), (4, 6)], [107, 10, 111, 16], id="all-samples"),
        pytest.param([], [108, 14, 109, 16], id="none-gives-the-middle"),
    ],
)
def test_tight_box_of_a_window(samples: list[tuple[int, int]], expected: list[float]) -> None:
    """8 x 8 samples of 1 x 2 px; row and column of those at the threshold."""
    probability = np.full((8, 8), BELOW_HALF, np.float32)
    for row, column in samples:
        probability[row, column] = 0.5
    box = mask_box(probability, np.array([104, 6, 112, 22], np.float32), FusionParams(mask_thresh=0.5))
    assert (box.tolist(), box.dtype) == (expected, np.float32)


def test_the_box_alone_is_the_answer_and_no_smallest_area_counts() -> None:
    outcome = box_alone(state(score=0.7), CANVAS)
    assert decode(outcome.mask)[20:40, 20:40].all()
    assert decode(outcome.mask).sum() == 20 * 20
    assert (outcome.box.tolist(), outcome.box.dtype, outcome.score) == ([20, 20, 40, 40], np.float32, 0.7)
    speck = box_alone(state(box=np.array([-4, -4, 2, 2], np.float32)), CANVAS)
    assert decode(speck.mask).sum() == 1


SMALL = np.array([50, 50, 70, 70], np.float32)
"""A box that is too small for an object of 30..94 px: 25..35 px in the original frame."""
BESIDE = np.ones((20, 6), np.bool_), (38, 20)
"""Another object: 38..44 and 20..40 px in the original frame, 76..88 and 40..80 px of the network's."""
FREE = TrackerParams(fusion=FusionParams(margin=1.0, couple=0.0))


def whole_window(params: TrackerParams, **more: object):
    return after_pixel(state(box=SMALL), step(np.ones((64, 64), np.float32), **more), CANVAS, params)


def test_without_another_object_near_nothing_is_cut() -> None:
    moved, outcome = whole_window(FREE, others=[])
    assert decode(outcome.mask).sum() == 32 * 32
    assert moved.probability.min() == 1


def test_a_probability_of_exactly_the_threshold_outside_the_box_stays() -> None:
    half = step(np.full((64, 64), 0.5, np.float32), others=[])
    assert decode(after_pixel(state(box=SMALL), half, CANVAS, FREE)[1].mask).sum() == 32 * 32


def test_the_next_step_starts_from_the_window_of_this_one() -> None:
    moved, _ = after_pixel(state(window=WINDOW + 7), step(np.ones((64, 64), np.float32)), CANVAS, PARAMS)
    assert moved.window.tolist() == WINDOW.tolist()


def test_only_what_another_object_covers_is_cut() -> None:
    moved, outcome = whole_window(FREE, others=[BESIDE])
    mask = decode(outcome.mask)
    assert mask.sum() == 32 * 32 - 20 * 6
    assert not mask[20:40, 38:44].any()
    assert (moved.probability == 0).sum() == 40 * 12
    assert not moved.probability[10:50, 46:58].any()


def test_inside_the_box_nothing_is_cut() -> None:
    over = np.ones((40, 40), np.bool_), (20, 20)
    _, outcome = whole_window(FREE, others=[over])
    mask = decode(outcome.mask)
    assert mask[25:35, 25:35].all()
    assert mask.sum() == 32 * 32 - 27 * 27 + 10 * 10


@given(st.integers(0, 2**32 - 1))
def test_never_more_is_cut_than_at_the_box(seed: int) -> None:
    random = np.random.default_rng(seed)
    corner, side = random.integers(0, 40, 2), random.integers(4, 30, 2)
    others = [(np.ones(side, np.bool_), (int(corner[0]), int(corner[1])))]
    box = np.sort(random.uniform(20, 100, (2, 2)), axis=0).reshape(4).astype(np.float32)
    probability = step(random.random((64, 64)).astype(np.float32), others=others)
    params = TrackerParams(fusion=FusionParams(couple=0.0, min_area=0, stray_area=0))
    moved, outcome = after_pixel(state(box=box), probability, CANVAS, params)
    hard, cut = after_pixel(state(box=box), replace(probability, others=None), CANVAS, params)
    assert (moved.probability >= hard.probability).all()
    assert (decode(outcome.mask) >= decode(cut.mask)).all()


def test_strays_go_from_mask_feedback_and_box() -> None:
    probability = np.zeros((64, 64), np.float32)
    probability[10:50, 10:50] = 1
    probability[20:24, 58:62] = 0.75  # 16 of 1,600 samples
    probability[20:24, 2:6] = 0.25
    params = TrackerParams(fusion=FusionParams(margin=2, couple=1.0, stray_area=0.02))
    moved, outcome = after_pixel(state(), step(probability), CANVAS, params)
    assert bounding_box(outcome.mask).tolist() == [20, 20, 40, 40]
    assert moved.box.tolist() == [40, 40, 80, 80]
    assert moved.probability[20:24, 58:62].max() == 0
    assert moved.probability[20:24, 2:6].min() == 0.25, "what is below the threshold is not a piece"


def test_a_stray_on_the_last_mask_stays() -> None:
    probability, last = np.zeros((64, 64), np.float32), np.zeros((64, 64), np.float32)
    probability[10:50, 10:50] = probability[20:24, 58:62] = 1
    last[24:28, 42:46] = 1  # in a window 16 px to the left and 4 px above: where the piece is now
    before = state(probability=last, window=WINDOW + np.array([16, -4, 16, -4], np.float32))
    params = TrackerParams(fusion=FusionParams(margin=2, couple=1.0, stray_area=0.02))
    moved, outcome = after_pixel(before, step(probability), CANVAS, params)
    assert bounding_box(outcome.mask).tolist() == [20, 20, 46, 40]
    assert moved.box.tolist() == [40, 40, 92, 80]


@pytest.mark.parametrize(("last", "left"), [(0.5, 16), (BELOW_HALF, 0)])
def test_a_piece_of_exactly_the_threshold_goes_unless_the_last_mask_is_there(last: float, left: int) -> None:
    probability = np.zeros((64, 64), np.float32)
    probability[10:50, 10:50] = 1
    probability[20:24, 58:62] = 0.5
    before = state(probability=np.full((64, 64), last, np.float32))
    params = TrackerParams(fusion=FusionParams(margin=2, stray_area=0.02))
    moved, _ = after_pixel(before, step(probability), CANVAS, params)
    assert (moved.probability[20:24, 58:62] == 0.5).sum() == left


@pytest.mark.parametrize(
    "fusion",
    [
        pytest.param(FusionParams(margin=2, stray_area=0), id="disabled"),
        pytest.param(FusionParams(margin=2, stray_area=0.005), id="larger-than-a-stray"),
        pytest.param(FusionParams(kind="none", stray_area=0.02), id="pixel-tracker-alone"),
    ],
)
def test_strays_that_stay(fusion: FusionParams) -> None:
    probability = np.zeros((64, 64), np.float32)
    probability[10:50, 10:50] = probability[20:24, 58:62] = 1
    moved, outcome = after_pixel(state(), step(probability), CANVAS, TrackerParams(fusion=fusion))
    assert bounding_box(outcome.mask).tolist() == [20, 20, 46, 40]
    assert moved.probability.sum() == 40 * 40 + 16


def with_mask(rows: slice, columns: slice, **changes: object) -> TrackState:
    probability = np.zeros((64, 64), np.float32)
    probability[rows, columns] = 1
    return state(probability=probability, **changes)


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        pytest.param(slice(20, 30), slice(20, 30), [50, 40, 90, 80], id="a mask inside the box"),
        pytest.param(slice(5, 60), slice(8, 64), [48, 35, 104, 90], id="a mask around the box moves along with it"),
        pytest.param(slice(10, 50), slice(30, 64), [50, 40, 104, 80], id="half of the mask in the box"),
        pytest.param(slice(10, 50), slice(50, 64), [50, 40, 90, 80], id="a mask beside the box"),
    ],
)
def test_the_pixel_window_covers_the_last_mask(rows: slice, columns: slice, expected: list[float]) -> None:
    before = with_mask(rows, columns)
    after = replace(before, box=BOX + np.array([10, 0, 10, 0], np.float32))
    found = extent(after, before, FusionParams(cover_mask=True))
    assert (found.tolist(), found.dtype) == (expected, np.float32)


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        pytest.param(slice(10, 50), slice(0, 20), [30, 40, 80, 80], id="half of it in the box"),
        pytest.param(slice(10, 50), slice(0, 16), BOX.tolist(), id="less than half of it in the box"),
        pytest.param(slice(10, 50), slice(0, 1), BOX.tolist(), id="one column beside the box"),
        pytest.param(slice(0, 5), slice(0, 5), BOX.tolist(), id="beside a corner of the box"),
    ],
)
def test_a_mask_that_lies_elsewhere_does_not_widen_the_window(
    rows: slice, columns: slice, expected: list[float]
) -> None:
    before = with_mask(rows, columns)
    assert extent(before, before, FusionParams(cover_mask=True)).tolist() == expected


def test_the_last_mask_moves_by_the_centers_of_boxes_that_are_not_square() -> None:
    flat = np.array([40, 40, 80, 70], np.float32)
    before = with_mask(slice(5, 60), slice(8, 64), box=flat)
    after = replace(before, box=flat + np.array([10, 0, 10, 0], np.float32))
    assert extent(after, before, FusionParams(cover_mask=True)).tolist() == [48, 35, 104, 90]


@pytest.mark.parametrize(
    ("fusion", "lost"),
    [
        pytest.param(FusionParams(cover_mask=False), False, id="disabled"),
        pytest.param(FusionParams(kind="none", cover_mask=True), False, id="pixel-tracker-alone"),
        pytest.param(FusionParams(cover_mask=True), True, id="found-again"),
    ],
)
def test_the_pixel_window_lies_around_the_box_alone(fusion: FusionParams, *, lost: bool) -> None:
    before = with_mask(slice(5, 60), slice(8, 64), lost=lost)
    assert extent(replace(before, lost=False), before, fusion).tolist() == BOX.tolist()

"""Tubelets of chunks become those of the whole video: masks, class and score of each as if it had never been cut."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.structures.detections import Detections
from service.structures.packed_masks import PackedMasks
from service.structures.tubelets import LabeledTubelet, Tubelet
from service.tracking.chunks import Chunk, cut
from service.tracking.labels import Votes, label_tubelet
from service.tracking.params import ChunkParams, ScoreEstimator, TubeletParams
from service.tracking.stitching import (
    Chain,
    ChunkTubelet,
    chunk_tubelet,
    finish_chain,
    label_in_chunk,
    overlap_iou,
    pack,
    stitch,
)
from tests.unit.builders import candidate, frame, mask, tube

PARAMS = TubeletParams(rescale=False)
SEEN = [0.6, 0.2, 0]


def piece(whole: Tubelet, chunk: Chunk) -> Tubelet | None:
    """What tracking inside a chunk would give, frames counted from its first one; None without a visible frame."""
    places = slice(chunk.first, chunk.end)
    visible = [t - chunk.first for t in whole.frames if t in chunk.frames]
    if not visible:
        return None
    seed = replace(whole.seed, frame=visible[0])
    return Tubelet(seed, whole.masks[places], whole.boxes[places], whole.scores[places])


def stitched(
    wholes: Sequence[Tubelet], frames: Sequence[Detections], chunks: Sequence[Chunk], params: TubeletParams = PARAMS
) -> list[LabeledTubelet]:
    chains, ids = list[Chain](), count(1)
    done: list[LabeledTubelet] = []
    for chunk in chunks:
        here = frames[chunk.first : chunk.end]
        pieces = [piece(whole, chunk) for whole in wholes]
        # another order in every chunk: places must not matter
        parts = [
            chunk_tubelet(number, each, here, chunk, params)
            for number, each in reversed([*enumerate(pieces, start=1)])
            if each is not None
        ]
        chains, over = stitch(chains, parts, chunk, 0.5, ids)
        done += [pack(finish_chain(chain, params)) for chain in over]
    return done + [pack(finish_chain(chain, params)) for chain in chains]


def parts(*tubelets: Tubelet) -> list[ChunkTubelet]:
    return [ChunkTubelet(tubelet, {}, number) for number, tubelet in enumerate(tubelets, start=1)]


def begun(part: ChunkTubelet) -> Chain:
    """A chain of one chunk."""
    return Chain(part.number, (), Votes(), part)


def uncut(length: int, frames: int, overlap: int) -> list[Chunk]:
    return list(cut(length, ChunkParams(frames=frames, overlap=overlap), lambda _after, _upto: None))


def same(one: LabeledTubelet, other: LabeledTubelet) -> bool:
    mine, its = one.tubelet, other.tubelet
    return (
        [mine.mask_at(t) for t in range(100)] == [its.mask_at(t) for t in range(100)]
        and one.label == other.label
        and one.score == pytest.approx(other.score)
    )


@st.composite
def videos(draw: st.DrawFn) -> tuple[list[Tubelet], list[Detections]]:
    """Objects side by side, each visible from one frame to another, and what the detector saw of them."""
    length = draw(st.integers(1, 40))
    tubelets, found = [], [[] for _ in range(length)]
    for x in draw(st.sets(st.sampled_from([0, 12, 24, 36, 48]), max_size=4)):
        first = draw(st.integers(0, length - 1))
        visible = range(first, draw(st.integers(first, length - 1)) + 1)
        tubelets.append(tube(visible, x, length))
        for t in visible:
            probs = draw(st.sampled_from([None, (0.6, 0.2, 0.0), (0.3, 0.9, 0.1), (0.2, 0.25, 0.8)]))
            found[t] += [] if probs is None else [(x, list(probs))]
    return tubelets, [frame(t, *here) for t, here in enumerate(found)]


@settings(deadline=None)
@given(videos(), st.integers(8, 20), st.data(), st.sampled_from(["matched_zero", "matched_skip"]))
def test_a_cut_video_gives_the_tubelets_of_the_uncut_one(
    video: tuple[list[Tubelet], list[Detections]], most: int, data: st.DataObject, score: ScoreEstimator
) -> None:
    wholes, frames = video
    params = replace(PARAMS, score=score)
    chunks = uncut(len(frames), most, data.draw(st.integers(1, most // 2)))
    found = stitched(wholes, frames, chunks, params)
    expected = [label_tubelet(whole, frames, params) for whole in wholes]
    assert len(found) == len(expected)
    for one in expected:
        assert any(same(one, other) for other in found)


def test_objects_are_numbered_as_they_are_found() -> None:
    """In the order of seeds, whatever the order of the parts; one that goes on keeps its number."""
    objects = [tube(range(4), 12, 12), tube(range(12), 0, 12), tube(range(5, 12), 36, 12), tube(range(5, 12), 24, 12)]
    nothing = [frame(t) for t in range(12)]
    found = stitched(objects, nothing, [Chunk(0, 6), Chunk(4, 10, 2), Chunk(8, 12, 2)])
    assert {item.id: item.tubelet.frames for item in found} == {
        number: one.frames for number, one in enumerate(objects, start=1)
    }


def test_scores_and_classes_come_from_all_chunks_each_frame_once() -> None:
    frames = [frame(t, (0, SEEN if t < 6 else [0.1, 0.9, 0])) for t in range(10)]
    (found,) = stitched([tube(range(10), length=10)], frames, [Chunk(0, 6), Chunk(4, 10, 2)])
    assert found.classes == pytest.approx(np.array([(1, (6 * 0.2 + 4 * 0.9) / 10), (0, (6 * 0.6 + 4 * 0.1) / 10)]))


def test_by_the_most_frequent_label_each_frame_votes_once() -> None:
    frames = [frame(t, (0, SEEN if t < 6 else [0.1, 0.9, 0])) for t in range(10)]
    mode = replace(PARAMS, label="mode")
    (found,) = stitched([tube(range(10), length=10)], frames, [Chunk(0, 6), Chunk(4, 10, 2)], mode)
    assert found.label == 0
    assert found.score == pytest.approx((6 * 0.6 + 4 * 0.1) / 10)


@pytest.mark.parametrize("score", ["matched_zero", "matched_skip", "seed"])
def test_within_a_chunk_class_and_score_are_those_of_its_frames(score: ScoreEstimator) -> None:
    params = TubeletParams(score=score)
    frames = [frame(t, (0, SEEN if t < 2 else [0.1, 0.9, 0])) for t in range(8)]
    whole = tube(range(1, 7))
    found = label_in_chunk(chunk_tubelet(3, whole, frames, Chunk(20, 28), params), params)
    expected = label_tubelet(whole, frames, params)
    assert (found.id, found.label, found.score) == (3, expected.label, pytest.approx(expected.score))
    assert (found.tubelet.start, found.tubelet.frames) == (20, tuple(range(21, 27)))
    assert found.tubelet.seed.frame == whole.seed.frame + 20


def test_nothing_goes_on_over_a_shot_change() -> None:
    frames = [frame(t, (0, SEEN)) for t in range(8)]
    found = stitched([tube(range(8))], frames, [Chunk(0, 5), Chunk(5, 8)])
    assert [item.tubelet.frames for item in found] == [(0, 1, 2, 3, 4), (5, 6, 7)]


def test_before_the_middle_the_masks_are_the_ones_of_before() -> None:
    before, after = tube(range(6), x=0, length=6), replace(tube(range(6), x=2, length=6), start=2)
    (chain,), over = stitch([begun(*parts(before))], parts(after), Chunk(2, 8, 4), 0.5, count(1))
    assert over == []
    masks = finish_chain(chain, PARAMS).tubelet.masks
    assert list(masks) == [mask(0)] * 4 + [mask(2)] * 4


@pytest.mark.parametrize(
    ("chains", "new", "goes_on_as"),
    [
        pytest.param([3, 5], [5, 1], {3: 1, 5: 5}, id="the-best-pair-goes-first"),
        pytest.param([1, 3], [2], {1: 2}, id="one-part-does-not-go-on-with-two-chains"),
        pytest.param([2], [1, 3], {2: 1}, id="one-chain-does-not-go-on-as-two-parts"),
        pytest.param([1, 4], [2], {1: 2}, id="a-nearer-chain-listed-first-keeps-the-part"),
        pytest.param([4, 1], [2], {1: 2}, id="a-nearer-chain-listed-last-takes-the-part"),
    ],
)
def test_chains_and_parts_go_together_one_to_one(chains: list[int], new: list[int], goes_on_as: dict[int, int]) -> None:
    """Squares of 10 px at these x; up to 3 px apart they could be a pair."""
    before = [begun(part) for part in parts(*(tube(range(4), x=x, length=4) for x in chains))]
    after = parts(*(replace(tube(range(4), x=x, length=4), start=2) for x in new))
    live, over = stitch(before, after, Chunk(2, 6, 2), 0.5, count(1))
    assert [chain.last.tubelet.masks[0] for chain in live] == [mask(x) for x in new]
    pairs = [(chain.before[0].masks[0], chain.last.tubelet.masks[0]) for chain in live if chain.before]
    assert sorted(pairs, key=str) == sorted(((mask(x), mask(y)) for x, y in goes_on_as.items()), key=str)
    assert [chain.last.tubelet.masks[0] for chain in over] == [mask(x) for x in chains if x not in goes_on_as]


def test_of_equal_pairs_the_first_chain_gets_the_first_part() -> None:
    """Enough of them that an unstable sort would mix them up."""
    two_places = [tube(range(4), x=x, length=4) for x in [0] * 8 + [20] * 8]
    before = [begun(part) for part in parts(*two_places)]
    live, _ = stitch(before, parts(*(replace(each, start=2) for each in two_places)), Chunk(2, 6, 2), 0.5, count(1))
    assert [chain.id for chain in live] == [chain.id for chain in before]


def test_what_is_settled_is_packed() -> None:
    """An hour of objects has to fit in memory."""
    tubelet = tube(range(6), length=6)
    (chain,), _ = stitch([begun(*parts(tubelet))], parts(replace(tubelet, start=2)), Chunk(2, 8, 4), 0.5, count(1))
    assert [type(piece.masks) for piece in chain.before] == [PackedMasks]
    packed = pack(finish_chain(chain, PARAMS))
    assert type(packed.tubelet.masks) is PackedMasks
    assert same(packed, finish_chain(chain, PARAMS))


@pytest.mark.parametrize(("stitch_iou", "live"), [(0.25, 1), (float(np.nextafter(0.25, 1)), 2)])
def test_a_pair_at_the_smallest_iou_is_one(stitch_iou: float, live: int) -> None:
    """10-px squares 6 px apart: IoU 4 / 16."""
    before = [begun(*parts(tube(range(4), length=4)))]
    after = parts(replace(tube(range(4), x=6, length=4), start=2))
    found = [*stitch(before, after, Chunk(2, 6, 2), stitch_iou, count(1))]
    assert sum(len(each) for each in found) == live


@pytest.mark.parametrize(("x", "chains"), [(3, 1), (4, 2)])
def test_below_the_smallest_iou_it_is_another_object(x: int, chains: int) -> None:
    """10-px squares: 3 px apart IoU 7 / 13, 4 px apart 6 / 14."""
    new = parts(replace(tube(range(4), x=x, length=4), start=2))
    live, over = stitch([begun(*parts(tube(range(4), length=4)))], new, Chunk(2, 6, 2), 0.5, count(1))
    assert len(live) + len(over) == chains


def test_two_that_are_not_there_are_no_pair() -> None:
    gone, late = tube([0], length=4), replace(tube([3], length=4), start=2)
    live, over = stitch([begun(*parts(gone))], parts(late), Chunk(2, 6, 2), 0.0, count(1))
    assert (len(live), len(over)) == (1, 1)


def test_the_best_seed_stands_for_all() -> None:
    one = replace(tube(range(4), length=4), seed=candidate(1, 0, [0.5, 0, 0]))
    other = replace(tube(range(4), length=4), seed=candidate(5, 0, [0.7, 0, 0]), start=2)
    (chain,), _ = stitch([begun(*parts(one))], parts(other), Chunk(2, 6, 2), 0.5, count(1))
    assert finish_chain(chain, replace(PARAMS, score="seed")).score == pytest.approx(0.7)
    assert finish_chain(chain, PARAMS).tubelet.seed.frame == 5


def test_overlap_iou_counts_pixels_over_the_frames() -> None:
    a, b = tube([0, 1], length=3), replace(tube([0], x=5, length=2), start=1)
    iou = overlap_iou([a], [a, b], range(1, 2))
    np.testing.assert_allclose(iou, [[1, 1 / 3]])
    np.testing.assert_array_equal(overlap_iou([tube([0, 1])], [tube([0])], range(3)), [[1 / 2]])
    assert overlap_iou([a], [b], range(2, 3)) == [[0]]
    assert overlap_iou([], [b], range(2)).shape == (0, 1)


def test_packed_masks_are_the_masks() -> None:
    masks = [None, mask(3), None, mask(30), mask(0, size=1)]
    kept = PackedMasks(masks)
    assert list(kept) == masks
    assert (len(kept), kept[-1], kept[1:4], kept[::-2]) == (5, masks[-1], tuple(masks[1:4]), tuple(masks[::-2]))
    assert list(PackedMasks([])) == []
    with pytest.raises(IndexError):
        kept[5]
    with pytest.raises(ValueError, match="all of size"):
        PackedMasks([mask(0), replace(mask(0), size_hw=(3, 3))])

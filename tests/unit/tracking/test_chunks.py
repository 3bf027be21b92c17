"""Where a video is cut: every frame once or in one overlap, no chunk too long, none across a shot change."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualtrack.errors import InvalidParameter
from service.cli.parameters import parse_parameters
from service.tracking.chunks import Chunk, cut, shared_frames
from service.tracking.params import ChunkParams

PARAMS = ChunkParams(frames=10, overlap=4)


def chunks_of(length: int, changes: Iterable[int] = (), params: ChunkParams = PARAMS) -> list[Chunk]:
    asked: list[tuple[int, int]] = []

    def next_change(after: int, upto: int) -> int | None:
        asked.append((after, upto))
        return min((change for change in changes if after < change <= upto), default=None)

    found = list(cut(length, params, next_change))
    assert asked == sorted(asked), "the reader of the video never goes back"
    assert [after for after, _ in asked] == [0, *(chunk.end for chunk in found)][: len(found)], "or looks twice"
    assert all(upto <= min(chunk.first + params.frames * 3 // 2, length) for chunk, (_, upto) in zip(found, asked))
    return found


@pytest.mark.parametrize(
    ("length", "changes", "expected"),
    [
        pytest.param(0, [], [], id="no-frames"),
        pytest.param(1, [], [(0, 1, 0)], id="one-frame"),
        pytest.param(10, [], [(0, 10, 0)], id="just-fits"),
        pytest.param(11, [], [(0, 8, 0), (4, 11, 4)], id="one-too-many-makes-two-alike"),
        pytest.param(15, [], [(0, 10, 0), (6, 15, 4)], id="one-and-a-half"),
        pytest.param(16, [], [(0, 10, 0), (6, 16, 4)], id="two"),
        pytest.param(17, [], [(0, 10, 0), (6, 14, 4), (10, 17, 4)], id="the-rest-is-shared-out"),
        pytest.param(9, [3], [(0, 3, 0), (3, 9, 0)], id="shot-change"),
        pytest.param(20, [10], [(0, 10, 0), (10, 20, 0)], id="shot-change-at-the-bound"),
        pytest.param(20, [12], [(0, 8, 0), (4, 12, 4), (12, 20, 0)], id="shot-change-just-behind-the-bound"),
        pytest.param(5, [1, 2, 4], [(0, 1, 0), (1, 2, 0), (2, 4, 0), (4, 5, 0)], id="flashes"),
    ],
)
def test_cut(length: int, changes: list[int], expected: list[tuple[int, int, int]]) -> None:
    assert chunks_of(length, changes) == [Chunk(*each) for each in expected]


@st.composite
def bounds(draw: st.DrawFn) -> ChunkParams:
    frames = draw(st.integers(8, 30))
    return ChunkParams(frames=frames, overlap=draw(st.integers(1, frames // 2)))


@given(st.integers(1, 200), st.sets(st.integers(1, 199)), bounds())
def test_chunks_cover_the_video_and_keep_to_the_bounds(length: int, changes: set[int], params: ChunkParams) -> None:
    changes = {change for change in changes if change < length}
    found = chunks_of(length, changes, params)
    assert [t for chunk in found for t in chunk.own] == list(range(length))
    assert all(0 < len(chunk.frames) <= params.frames for chunk in found)
    for before, after in pairwise(found):
        assert after.first == before.end - after.shared
        assert after.shared in {0, params.overlap}
        assert (after.first in changes) == (after.shared == 0)
    for chunk in found:
        assert not changes.intersection(chunk.frames[1:]), "no chunk goes across a shot change"


@given(st.integers(11, 200), bounds())
def test_a_shot_is_cut_into_chunks_of_some_length(length: int, params: ChunkParams) -> None:
    found = chunks_of(length, (), params)
    if len(found) > 1:
        assert all(len(chunk.frames) > params.frames // 2 for chunk in found)


@pytest.mark.parametrize("overlap", [0, 6])
def test_an_overlap_that_does_not_fit_is_refused(overlap: int) -> None:
    with pytest.raises(
        ValueError, match=rf"chunk_overlap: expected 1 to 5 frames, half of chunk_frames 10, got {overlap}"
    ):
        ChunkParams(frames=10, overlap=overlap)


@pytest.mark.parametrize(
    ("given", "frames", "overlap"),
    [([], 160, 12), (["chunk_frames=16"], 16, 8), (["chunk_frames=40", "chunk_overlap=5"], 40, 5)],
)
def test_a_caller_sets_what_fits(given: list[str], frames: int, overlap: int) -> None:
    params = parse_parameters(given).pipeline_params().chunks
    assert (params.frames, params.overlap) == (frames, overlap)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["chunk_overlap=81"], "chunk_overlap: .*expected 1 to 80 frames, half of chunk_frames 160, got 81"),
        (["chunk_frames=20", "chunk_overlap=11"], "chunk_overlap: .*expected 1 to 10 frames"),
        (["chunk_overlap=0"], "chunk_overlap: .*greater than or equal to 1"),
        (["chunk_frames=7"], "chunk_frames: .*greater than or equal to 8"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(given: list[str], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        parse_parameters(given)


@pytest.mark.parametrize(
    ("chunk", "expected"),
    [
        pytest.param(Chunk(0, 10), (6, 7, 8, 9), id="first"),
        pytest.param(Chunk(6, 16, 4), (0, 1, 2, 3, 6, 7, 8, 9), id="middle"),
        pytest.param(Chunk(16, 20, 4), (0, 1, 2, 3), id="last"),
        pytest.param(Chunk(0, 20), (), id="only one"),
        pytest.param(Chunk(3, 6), (0, 1, 2), id="shorter than the overlap"),
        pytest.param(Chunk(3, 8, 4), (0, 1, 2, 3, 4), id="all of it"),
    ],
)
def test_frames_that_another_chunk_has(chunk: Chunk, expected: tuple[int, ...]) -> None:
    assert shared_frames(chunk, 20, PARAMS) == expected

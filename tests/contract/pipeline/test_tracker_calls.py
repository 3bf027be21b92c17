"""What the tracker asks of the networks, call by call: which templates meet which windows, in which frame."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from service.inference.fake.detector import PALETTE
from service.pipeline.tracks.tracker import MOST_WINDOWS
from service.structures.arrays import F32
from service.structures.tubelets import Tubelet
from service.tracking.params import FusionParams, LostParams, SiameseParams, TrackerParams
from service.tracking.windows import search_windows
from tests.support.recording import Call
from tests.support.scenes import Rectangle
from tests.support.tracked_scenes import Scene, Tracked

RED, GREEN, BLUE = (Rectangle(PALETTE[i], 6, 10 + 48 * i, 16, 16, step_xy=(22, 0)) for i in range(3))
"""Far enough apart that no search window of one shows another."""
FRAMES, AWAY, BACK = 8, range(3, 6), 6
ANYWHERE = LostParams(reach=0)


def hidden(rectangle: Rectangle) -> Rectangle:
    """It comes back too far away for the window in which it was lost."""
    return replace(rectangle, hidden=AWAY)


def forward(lost: LostParams = ANYWHERE, *, second_look: float = 0) -> TrackerParams:
    return TrackerParams(SiameseParams(lost=lost), FusionParams(bidirectional=False, second_look=second_look))


def track(
    path: Path, rectangles: Sequence[Rectangle], params: TrackerParams, *, spare: int = 0
) -> tuple[list[Tubelet], Tracked]:
    """Tubelets of all rectangles from frame 0 on, and what was asked.

    `spare`: further candidates per frame, where there is nothing.
    """

    async def work() -> tuple[list[Tubelet], Tracked]:
        with Scene(path, rectangles, FRAMES, spare=spare) as scene:
            tracked = scene.tracked(params)
            await tracked.know_frames()
            return await tracked.track(scene.seeds(0)), tracked

    return asyncio.run(work())


def colors(call: Call) -> list[tuple[int, ...]]:
    """Of the call's templates: the fake's are the mean color of the object."""
    means: F32 = call.inputs["templates"][:, :3, 0, 0] * 255  # type: ignore[operator]
    return [min(PALETTE, key=lambda color: float(np.abs(mean - color).sum())) for mean in means]


@pytest.mark.parametrize("gone", [[RED, BLUE], [BLUE, RED]], ids=["in-order", "reversed"])
def test_every_lost_track_looks_at_every_candidate_with_its_own_template(gone: list[Rectangle], tmp_path: Path) -> None:
    tubelets, tracked = track(tmp_path / "clip", [GREEN, *(hidden(rectangle) for rectangle in gone)], forward())
    _, again = (call for call in tracked.client.of("siamese_rpn") if tracked.frame_of(call) == BACK)
    found = tracked.detections[BACK].boxes
    assert len(found) == 3
    assert colors(again) == [rectangle.color for rectangle in gone for _ in found]
    np.testing.assert_array_equal(again.inputs["windows"], search_windows(np.tile(found, (2, 1))))
    for rectangle, tubelet in zip([GREEN, *gone], tubelets, strict=True):
        assert tubelet.frames == tuple(t for t in range(FRAMES) if rectangle is GREEN or t not in AWAY)
        np.testing.assert_allclose(tubelet.boxes[BACK], rectangle.box(BACK), atol=4)


def test_a_track_keeps_its_template_and_banks_when_one_before_it_stops(tmp_path: Path) -> None:
    objects = [replace(RED, hidden=range(3, FRAMES)), GREEN, BLUE]
    tubelets, tracked = track(tmp_path / "clip", objects, forward(LostParams(max_frames=1, reach=0)))
    assert [len(tubelet.frames) for tubelet in tubelets] == [3, FRAMES, FRAMES]
    last = tracked.client.of("siamese_rpn")[-1]
    assert colors(last) == [GREEN.color, BLUE.color]
    banks = [
        np.concatenate([call.inputs[name] for name in ("foreground_bank", "background_bank")], axis=1)
        for call in tracked.client.of("pixel_embedding")
    ]
    np.testing.assert_array_equal(banks[-1], banks[0][1:])


def test_one_call_a_step_for_all_live_tracks(tmp_path: Path) -> None:
    _, tracked = track(tmp_path / "clip", [RED, GREEN, BLUE], forward())
    for graph in ("siamese_rpn", "pixel_embedding"):
        calls = tracked.client.of(graph)
        assert [(tracked.frame_of(call), call.rows) for call in calls] == [(t, 3) for t in range(1, FRAMES)], graph


def test_windows_of_lost_tracks_go_in_calls_of_bounded_size(tmp_path: Path) -> None:
    spare = MOST_WINDOWS // 2
    tubelets, tracked = track(tmp_path / "clip", [GREEN, hidden(RED), hidden(BLUE)], forward(), spare=spare)
    rows = [call.rows for call in tracked.client.of("siamese_rpn") if tracked.frame_of(call) == BACK]
    assert rows == [3, MOST_WINDOWS, 2 * (spare + 3) - MOST_WINDOWS]
    assert [len(tubelet.frames) for tubelet in tubelets] == [FRAMES, FRAMES - len(AWAY), FRAMES - len(AWAY)]


def test_the_first_look_follows_the_frame_before_and_the_second_the_first(tmp_path: Path) -> None:
    small = Rectangle(PALETTE[1], 6, 2, 16, 16, step_xy=(22, 0))
    large = Rectangle(PALETTE[0], 20, 40, 63, 87, step_xy=(5, 0))
    _, tracked = track(tmp_path / "clip", [small, large], forward(second_look=1))
    calls = tracked.client.of("pixel_embedding")
    firsts, seconds = calls[::2], calls[1::2]
    assert [(tracked.frame_of(call), call.rows) for call in firsts] == [(t, 2) for t in range(1, FRAMES)]
    # four tiles of the large object
    assert [(tracked.frame_of(call), call.rows) for call in seconds] == [(t, 4) for t in range(1, FRAMES)]
    for first, second in zip(firsts, seconds, strict=True):
        assert_previous(second, first.inputs["windows"][[1] * 4], first.outputs["embedding"][[1] * 4])
        np.testing.assert_array_equal(second.inputs["previous_probability"], first.outputs["probability"][[1] * 4])
    for before, call in pairwise(firsts):
        assert_previous(call, before.inputs["windows"], before.outputs["embedding"])


def assert_previous(call: Call, windows: np.ndarray, embedding: np.ndarray) -> None:
    np.testing.assert_array_equal(call.inputs["previous_windows"], windows)
    np.testing.assert_array_equal(call.inputs["previous_embedding"], embedding)


def test_references_are_taken_in_the_frame_of_the_seed(tmp_path: Path) -> None:
    async def work() -> Tracked:
        with Scene(tmp_path / "clip", [RED, BLUE], FRAMES) as scene:
            tracked = scene.tracked(forward())
            await tracked.know_frames()
            await tracked.track([scene.seeds(5)[0], scene.seeds(2)[1]])
            return tracked

    tracked = asyncio.run(work())
    for graph in ("siamese_rpn_template", "pixel_embedding_reference"):
        assert [tracked.frame_of(call) for call in tracked.client.of(graph)] == [5, 2], graph
    steps = [(tracked.frame_of(call), call.rows) for call in tracked.client.of("siamese_rpn")]
    assert steps == [(3, 1), (4, 1), (5, 1), (6, 2), (7, 2)]

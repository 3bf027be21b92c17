"""Calibration of made detections at any length of the video, in chunks as the pipeline cuts them.

Every case is a class beside another one that has 0.9 in all frames. What counts is the score in the chunk that owns a
frame: of the frames that two chunks share, the earlier one owns the first half, as in stitching.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from service.calibration.class_calibration import calibrate, class_averages, reliable_classes
from service.calibration.params import CalibrationParams
from service.pipeline.parameters.params import preset
from service.structures.arrays import F64
from service.structures.detections import Detections
from service.tracking.chunks import Chunk, cut
from service.tracking.params import ChunkParams
from tests.unit.builders import frame

LENGTHS = (20, 60, 160, 1000)
OTHER = 1
Scores = Mapping[int, float]
"""Raw score of the class `OTHER`, by frame."""


STEADY_FRAME = frame(0, (0, [0.9, 0.0]), classes=2)
BOTH_FRAME = frame(0, (0, [0.9, 0.0]), (30, [0.0, 1.0]), classes=2)


def detections(length: int, scores: Scores) -> list[Detections]:
    return [detected(t, scores.get(t)) for t in range(length)]


def detected(t: int, score: float | None) -> Detections:
    """One frame; masks and boxes are shared, as building them would take most of the time."""
    if score is None:
        return replace(STEADY_FRAME, frame=t)
    return replace(BOTH_FRAME, frame=t, probs=BOTH_FRAME.probs * np.array([1, score], np.float32))


def owned(length: int) -> Iterable[tuple[Chunk, range]]:
    """The default chunks of a video in one shot, with the frames that each owns."""
    chunks = list(cut(length, ChunkParams(), lambda *_: None))
    starts = [chunk.first + chunk.shared // 2 for chunk in chunks]
    return zip(chunks, map(range, starts, [*starts[1:], length]), strict=True)


def kept(length: int, scores: Scores, params: CalibrationParams) -> F64:
    """Share of the raw score of the class that calibration leaves, for every frame in `scores`."""
    shares: dict[int, float] = {}
    for chunk, own in owned(length):
        if wanted := scores.keys() & set(own):
            calibrated = calibrate([detected(t, scores.get(t)) for t in chunk.frames], params)
            shares |= {t: float(calibrated[t - chunk.first].probs[:, OTHER].max()) / scores[t] for t in wanted}
    assert shares.keys() == scores.keys()
    return np.array([shares[t] for t in sorted(shares)])


def starts_of(length: int, count: int) -> list[int]:
    """Positions of `count` frames: all of a short video; in a long one those around its ends and its first border."""
    first, _ = zip(*owned(length), strict=True)
    edges = {0, length, first[0].end, length if len(first) == 1 else first[1].first}
    return [t for t in range(length - count + 1) if length <= 60 or any(-12 <= t - edge <= 8 for edge in edges)]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("count", range(5, 11))
def test_a_class_seen_in_a_few_frames_keeps_its_score(count: int, length: int) -> None:
    for start in starts_of(length, count):
        shares = kept(length, dict.fromkeys(range(start, start + count), 0.8), CalibrationParams())
        assert shares.min() >= 0.95, f"frames {start} to {start + count - 1} of {length}"


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(
    "scores",
    [
        pytest.param({0: 0.3}, id="0.3 in the first frame"),
        pytest.param({10: 0.3}, id="0.3 in one frame"),
        pytest.param({3: 0.3, 16: 0.3}, id="0.3 in single frames"),
        pytest.param({9: 0.6, 10: 0.6}, id="0.6 in two frames in a row"),
        pytest.param({0: 0.6, 1: 0.6}, id="0.6 in the first two frames"),
        pytest.param({5: 0.6, 15: 0.6}, id="0.6 in two frames"),
    ],
)
def test_a_false_class_in_one_or_two_frames_loses(scores: Scores, length: int) -> None:
    assert kept(length, scores, CalibrationParams()).max() <= 0.5
    at_the_end = {length - 1 - t: score for t, score in scores.items()}
    assert kept(length, at_the_end, CalibrationParams()).max() <= 0.5


@pytest.mark.parametrize("length", [160, 1000])
@pytest.mark.parametrize("start", range(140, 166))
def test_two_false_frames_at_a_border_lose(start: int, length: int) -> None:
    if start + 2 <= length:
        assert kept(length, {start: 0.6, start + 1: 0.6}, CalibrationParams()).max() <= 0.5


@pytest.mark.parametrize("length", LENGTHS)
def test_a_false_class_that_flickers_in_a_fifth_of_a_chunks_frames_loses(length: int) -> None:
    """In at least 95 of 100 random draws, in each length of chunk that the video is cut into."""
    for frames in {len(chunk.frames) for chunk, _ in owned(length)}:
        lost = 0
        for seed in range(100):
            flickering = np.random.default_rng(seed).choice(frames, frames // 5, replace=False)
            there = {int(t): 0.3 for t in flickering}
            calibrated = calibrate([detected(t, there.get(t)) for t in range(frames)], CalibrationParams())
            lost += max(calibrated[t].probs[:, OTHER].max(initial=0) for t in there) <= 0.15
        assert lost >= 95, f"a chunk of {frames} frames"


@pytest.mark.parametrize("length", LENGTHS)
def test_a_weak_object_that_is_seen_throughout_keeps_its_score(length: int) -> None:
    assert kept(length, dict.fromkeys(range(length), 0.25), CalibrationParams()) == pytest.approx(1)


def test_the_paper_averages_over_the_whole_chunk() -> None:
    """A class of 0.8 in 9 of 60 frames: 9 · 0.8 / 69 candidates is above 0.05, and 9 of 160 frames are below it."""
    params = preset("paper").calibration
    nine = dict.fromkeys(range(20, 29), 0.8)
    assert class_averages(detections(60, nine), params)[OTHER] == pytest.approx(9 * 0.8 / 69)
    assert kept(60, nine, params) == pytest.approx(1)
    assert kept(160, nine, params) == pytest.approx(0.1)


def test_a_chunk_of_just_the_window_is_averaged_over_all_frames() -> None:
    params = CalibrationParams(window=4)
    frames = detections(4, {0: 0.4, 3: 0.2})
    assert class_averages(frames, params)[OTHER] == pytest.approx(0.6 / 4)
    # one frame more, and the two are in no common window
    assert class_averages(detections(5, {0: 0.4, 4: 0.2}), params)[OTHER] == pytest.approx(0.4 / 4)
    assert class_averages(detections(3, {0: 0.4}), params)[OTHER] == pytest.approx(0.4 / 3)


def test_gaps_in_a_window_count_as_zero() -> None:
    params = CalibrationParams(window=4, th_cc=0.5)
    averages = class_averages(detections(8, {2: 0.9, 4: 0.9, 5: 0.9}), params)
    assert averages[OTHER] == pytest.approx(2.7 / 4)
    assert reliable_classes(averages, params).tolist() == [True, True]

"""Times of frames rise strictly, and the rate is that of the usual step."""

import asyncio
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from service.media.decode import decode
from service.media.limits import VideoLimits
from service.media.probe import probe
from service.media.times import Clock, clock_shifts, frame_rate, rising

LIMITS = VideoLimits()
CLOCK = Fraction(1, 1000)


def clip(path: Path, times_ms: Sequence[int], *, codec: str = "libx264", options: dict[str, str] | None = None) -> Path:
    """A gray clip whose frames are shown at these times."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=10, options=options or {"bf": "0"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.time_base = CLOCK if path.suffix != ".avi" else Fraction(1, 10)
        for number, time in enumerate(times_ms):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = (time, CLOCK) if path.suffix != ".avi" else (number, Fraction(1, 10))
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def times_of(path: Path) -> tuple[list[float], float, float]:
    """Times of the decoded frames, rate and duration."""

    async def work() -> tuple[list[float], float, float]:
        info = await probe(path, LIMITS)
        folder = path.parent / "frames"
        found = await decode(path, info, LIMITS, network_hw=(48, 64), directory=folder, on_frame=lambda _: None)
        times = found.timestamps.tolist()
        found.close()
        return times, info.fps, info.duration_s

    return asyncio.run(work())


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("pyramid", ["none", "normal"])
def test_times_of_an_avi_with_reordered_frames_rise(codec: str, pyramid: str, tmp_path: Path) -> None:
    options = {"bf": "3", "x264-params": f"b-pyramid={pyramid}:b-adapt=0"} if codec == "libx264" else {"bf": "2"}
    path = clip(tmp_path / "v.avi", range(12), codec=codec, options=options)
    times, rate, duration = times_of(path)
    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([0.1] * 11)
    assert (rate, duration) == pytest.approx((10, 1.2))


def test_joined_recordings_go_on_where_the_first_ended(tmp_path: Path) -> None:
    parts = [clip(tmp_path / f"{number}.ts", range(0, 800, 100)).read_bytes() for number in range(2)]
    path = tmp_path / "v.ts"
    path.write_bytes(b"".join(parts))
    times, rate, duration = times_of(path)
    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([0.1] * (len(times) - 1))
    assert len(times) == 16
    assert (rate, duration) == pytest.approx((10, 1.6))


@pytest.mark.parametrize(
    ("times_ms", "rate"),
    [
        pytest.param([*range(0, 500, 40), *range(500_500, 501_000, 40)], 25, id="a-gap-of-500-s"),
        pytest.param([*range(0, 400, 40), 2000, *range(4000, 4400, 40)], 25, id="gaps-of-seconds"),
        pytest.param([*range(0, 480, 40), 100_000], 25, id="a-late-last-frame"),
        pytest.param([0, 1, 80, 81, 160, 161, 240, 241], 7 / 0.241, id="pairs"),
        pytest.param([*range(0, 300, 20), *range(300, 1300, 100)], 24 / 1.2, id="a-varying-rate"),
        pytest.param([0, 100, 200, 10_200, 10_300], 10, id="a-gap-in-five-frames"),
        pytest.param([0, 20_000, 40_000, 60_000], 0.05, id="timelapse"),
        pytest.param([0, 33, 67, 100, 133, 167, 200], 30, id="rounded"),
    ],
)
def test_rate_of_a_file(times_ms: Sequence[int], rate: float, tmp_path: Path) -> None:
    times, found, _ = times_of(clip(tmp_path / "v.mkv", times_ms))
    assert times == pytest.approx([time / 1000 for time in times_ms])
    assert found == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param([], [], id="empty"),
        pytest.param([None], [0.0], id="no-time"),
        pytest.param([None, None, None], [0.0, 0.1, 0.2], id="no-times"),
        pytest.param([7.5], [7.5], id="one"),
        pytest.param([36000.0, 36000.1, 36000.2], [36000.0, 36000.1, 36000.2], id="late-start"),
        pytest.param([-0.2, -0.1, 0.0], [-0.2, -0.1, 0.0], id="negative"),
        pytest.param([0.0, 0.1, 5.0, 5.1], [0.0, 0.1, 5.0, 5.1], id="a-gap-stays"),
        pytest.param([1, 2, 4, 3, 6, 7, 5], [1, 2, 3, 4, 5, 6, 7], id="reordered"),
        pytest.param([5, 1, 2, 3, 4], [1, 2, 3, 4, 5], id="reordered-by-most"),
        pytest.param([0, 1, 2, 3, 4, 5, 0, 1, 2], range(9), id="set-back"),
        pytest.param([9, 10, 11, 12, 13, 14, 3, 5, 4, 6, 7], range(9, 20), id="set-back-and-reordered"),
        pytest.param([0, 1, 1, 2], [0, 1, 1.5, 2], id="two-at-once"),
        pytest.param([0, 1, 2, 3, 3], [0, 1, 2, 3, 3.5], id="two-at-the-end"),
        pytest.param([3, 3, 3], [3, 3.1, 3.2], id="all-at-once"),
        pytest.param([None, 1, 2, 3, 4, None, 6], range(7), id="some-without"),
    ],
)
def test_rising(given: Sequence[float | None], expected: Sequence[float]) -> None:
    times = rising(given, 10.0)
    assert times == pytest.approx(list(expected))
    assert all(earlier < later for earlier, later in pairwise(times))


def test_whatever_a_file_says_times_rise_and_those_that_do_stay() -> None:
    random = np.random.default_rng(3)
    for _ in range(200):
        given = [None if random.random() < 0.1 else float(round(t, 1)) for t in random.normal(0, 3, 20)]
        times = rising(given)
        assert len(times) == 20
        assert all(round(later, 6) > round(earlier, 6) for earlier, later in pairwise(times))
        assert rising(times) == times


@pytest.mark.parametrize(
    ("times", "rate"),
    [([], 0), ([4.0], 0), ([0, 0.5], 2), ([0, 1, 2, 3, 29, 30, 31, 32], 1), ([0, 1, 3, 4, 5, 6], 1)],
    ids=["empty", "one", "two", "pause", "dropped"],
)
def test_frame_rate(times: Sequence[float], rate: float) -> None:
    # a frame that was dropped is no pause: it counts in the mean
    assert frame_rate(times) == pytest.approx(rate if times != [0, 1, 3, 4, 5, 6] else 5 / 6)


def test_another_stream_is_moved_as_the_frames_of_its_stretch() -> None:
    frames = [10 + t / 10 for t in range(20)] + [3 + t / 10 for t in range(20)]
    shifts = clock_shifts(frames)
    assert shifts == pytest.approx([0, 9])
    clock = Clock(shifts)
    audio = [9.98, 11.0, 12.1, 12.0, 2.99, 4.0, 5.0, 1.0]
    # a small step back is rounding; a further reset, which the frames do not have, is none
    assert [clock.shift(time) for time in audio] == pytest.approx([0, 0, 0, 0, 9, 9, 9, 9])

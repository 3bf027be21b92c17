"""Presentation times of frames, made strictly increasing, and the frame rate.

Timestamps in files can be wrong in many ways: AVI only has decoding times, so those of reordered frames decrease; some
frames have none; concatenated recordings restart at 0; two frames share a time; a camera pauses for an hour. Times
that are strictly increasing are not changed.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

REORDERED = 4
"""Maximum number of earlier frames with a later time, by reordering in the encoder. With more, the clock was reset."""
RESET = 0.25
"""Seconds by which the times of a stream without reordered frames decrease where its clock was reset."""
LEAST_STEP = 1e-5
"""Minimum difference of two times, in seconds; results are rounded to microseconds."""
PAUSE = 10.0
"""Ratio to the usual step above which a step is a pause and does not count in the rate; below, the rate varies."""
USUAL_RATE = 25.0
"""Frames per second if a file has neither timestamps nor a rate."""


def rising(times: Sequence[float | None], rate: float = 0.0) -> list[float]:
    """Make the times of frames, in presentation order, strictly increasing.

    Args:
        times: timestamps in seconds; None for a frame without one.
        rate: nominal frame rate of the file, for frames without a time; 0 if unknown.

    Returns:
        The times, unchanged if they are strictly increasing. Reordered times are sorted, a clock that was reset
        continues from where it was, and frames with the same time are distributed up to the next one.
    """
    step = _step(times, rate)
    return _apart([time for stretch, _ in _continued(times, step) for time in stretch], step)


def clock_shifts(times: Sequence[float | None], rate: float = 0.0) -> list[float]:
    """What `rising` adds to the times of each stretch of one clock, in seconds; the first is 0.

    Args:
        times: as of `rising`.
        rate: as of `rising`.
    """
    return [shift for _, shift in _continued(times, _step(times, rate))]


class Clock:
    """Continues the times of another stream, such as the audio, where the file's clock was reset.

    Args:
        shifts: of the frames, from `clock_shifts`.
    """

    def __init__(self, shifts: Sequence[float]) -> None:
        self._shifts, self._resets = shifts, 0
        self._last: float | None = None

    def shift(self, time: float) -> float:
        """What to add to the next time, in seconds."""
        if self._last is not None and time < self._last - RESET:
            self._resets += 1
        self._last = time
        return self._shifts[min(self._resets, len(self._shifts) - 1)]


def frame_rate(times: Sequence[float]) -> float:
    """Average frame rate of increasing times, not counting pauses; 0 for fewer than two frames."""
    usual = _usual_step(times)
    steps = [step for step in _steps(times) if step <= PAUSE * usual]
    return len(steps) / sum(steps) if steps and sum(steps) > 0 else 0.0


def _step(times: Sequence[float | None], rate: float) -> float:
    """The usual time from a frame to the next."""
    known = [time for time in times if time is not None]
    # from the longest stretch only, because the times of two clocks would be interleaved
    longest = max(_stretches(known), key=len)
    return _usual_step(sorted(longest)) or 1 / (rate or USUAL_RATE)


def _steps(times: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def _usual_step(times: Sequence[float]) -> float:
    """The lower quartile of the steps over two frames, halved.

    Over two frames, because frames may come in pairs a millisecond apart; the quartile, because one pause in a short
    clip is a large share of its steps.
    """
    over_two = [(later - earlier) / 2 for earlier, later in zip(times, times[2:], strict=False)]
    steps = sorted(over_two or _steps(times))
    return steps[len(steps) // 4] if steps else 0.0


def _complete(times: Sequence[float | None], step: float) -> list[float]:
    """Give frames without a time that of the previous frame plus a step; at the start, count back from the first."""
    first = next((index for index, time in enumerate(times) if time is not None), None)
    if first is None:
        return [index * step for index in range(len(times))]
    complete = [(times[first] or 0.0) - (first - index) * step for index in range(first)]
    for time in times[first:]:
        complete.append(complete[-1] + step if time is None else time)
    return complete


def _continued(times: Sequence[float | None], step: float) -> Iterator[tuple[list[float], float]]:
    """Each stretch of one clock, sorted and moved to follow the previous one, and by how much it was moved."""
    end: float | None = None
    for stretch in _stretches(_complete(times, step)):
        if not stretch:
            continue
        shift = 0.0 if end is None else end - min(stretch)
        moved = sorted(time + shift for time in stretch) if shift else sorted(stretch)
        end = moved[-1] + step
        yield moved, shift


def _stretches(times: Sequence[float]) -> list[list[float]]:
    """Split where the clock was reset."""
    stretches: list[list[float]] = [[]]
    latest: list[float] = []  # the latest times of the stretch, `REORDERED` + 1 of them
    for time in times:
        if len(latest) > REORDERED and time < min(latest):
            stretches.append([])
            latest = []
        stretches[-1].append(time)
        latest = sorted([*latest, time])[-REORDERED - 1 :]
    return stretches


def _apart(times: Sequence[float], step: float) -> list[float]:
    """Distribute equal times evenly up to the next time."""
    shared: list[tuple[float, int]] = []
    for time in times:
        if shared and time - shared[-1][0] < LEAST_STEP:
            shared[-1] = (shared[-1][0], shared[-1][1] + 1)
        else:
            shared.append((time, 1))
    ends = [time for time, _ in shared[1:]] + [time + frames * step for time, frames in shared[-1:]]
    apart: list[float] = []
    for (time, frames), end in zip(shared, ends, strict=True):
        for place in range(frames):
            spread = time + place * (end - time) / frames
            apart.append(max(spread, apart[-1] + LEAST_STEP) if apart else spread)
    return apart

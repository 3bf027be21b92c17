"""When frames are shown: in order and apart, whatever the file says; and how many a second that is.

Files say many things: AVI has times of decoding only, so those of reordered frames fall; some frames have none; joined
recordings begin again at 0; two frames share a time; a camera pauses for an hour. Times that rise stay as they are.
"""

from collections.abc import Sequence
from itertools import pairwise

REORDERED = 4
"""Frames before a frame that may be given later times than it: coders reorder so many. With more of them the clock
was set back."""
LEAST_STEP = 1e-5
"""Seconds: what a result still tells apart."""
PAUSE = 10.0
"""Times the usual step from which on a step is a pause, which says nothing about the rate; less is a varying rate."""
USUAL_RATE = 25.0
"""Frames a second where a file says nothing at all."""


def rising(times: Sequence[float | None], rate: float = 0.0) -> list[float]:
    """Times of frames in the order in which they are shown, seconds, made to rise strictly.

    Args:
        times: as the file has them; None where it has none.
        rate: frames a second that the file claims, for frames without a time; 0 if it claims nothing.

    Returns:
        The same times where they rise. What is out of order is sorted; a clock that was set back goes on where it was;
        frames that share a time are spread up to the next.
    """
    known = [time for time in times if time is not None]
    # of the longest stretch: those of two clocks that are mixed lie closer
    longest = max(_stretches(known), key=len)
    step = _usual_step(sorted(longest)) or 1 / (rate or USUAL_RATE)
    return _apart(_in_order(_complete(times, step), step), step)


def frame_rate(times: Sequence[float]) -> float:
    """Frames a second of rising times: their mean without the pauses, 0 for less than two frames."""
    usual = _usual_step(times)
    steps = [step for step in _steps(times) if step <= PAUSE * usual]
    return len(steps) / sum(steps) if steps and sum(steps) > 0 else 0.0


def _steps(times: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def _usual_step(times: Sequence[float]) -> float:
    """The lower quartile of the steps over two frames, halved.

    Over two: of pairs a millisecond apart single steps are either. The quartile: one pause in a few frames is many.
    """
    over_two = [(later - earlier) / 2 for earlier, later in zip(times, times[2:], strict=False)]
    steps = sorted(over_two or _steps(times))
    return steps[len(steps) // 4] if steps else 0.0


def _complete(times: Sequence[float | None], step: float) -> list[float]:
    """A frame without a time comes a step after the one before; those at the start count back from the first known."""
    first = next((index for index, time in enumerate(times) if time is not None), None)
    if first is None:
        return [index * step for index in range(len(times))]
    complete = [(times[first] or 0.0) - (first - index) * step for index in range(first)]
    for time in times[first:]:
        complete.append(complete[-1] + step if time is None else time)
    return complete


def _in_order(times: Sequence[float], step: float) -> list[float]:
    """Each stretch of one clock sorted, each moved behind the one before."""
    ordered: list[float] = []
    for stretch in _stretches(times):
        shift = ordered[-1] + step - min(stretch) if ordered else 0.0
        ordered += sorted(time + shift for time in stretch) if shift else sorted(stretch)
    return ordered


def _stretches(times: Sequence[float]) -> list[list[float]]:
    """Cut where the clock was set back."""
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
    """Times that never fall -> times that rise: those that are equal share the way to the next."""
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

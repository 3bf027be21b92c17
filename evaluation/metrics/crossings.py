"""Identity switches per crossing: after two instances meet and separate, does each track follow its own instance?

A *crossing* of two instances is a run of frames in which they are close, with frames before and after it in which they
are apart. *Close*: box IoU above 0.1, or centers nearer than half the mean side (the mean of both boxes' widths and
heights). Frames that do not show both are skipped, so a full occlusion does not split a crossing; nor does a single
frame apart.

A crossing is *switched* if the track of either instance covers a different instance afterwards than before. A track
covers the instance of the clip with the highest box IoU, averaged over the (at most five) frames nearest to the
crossing in which the pair is apart; none if that average is at most 0.1. A track that covers none before or after does
not count as a switch; `unanswered` counts the crossings with such a track.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import numpy as np

from service.structures.arrays import F32
from service.structures.boxes import iou_matrix

Boxes = Sequence[F32 | None]
"""A box (4,) x1 y1 x2 y2 in pixels, or None, per annotated frame."""
CLOSE_IOU, CLOSE_SIDES = 0.1, 0.5
COVERS = 0.1
NEAREST = 5
PARTED = 2
"""Number of frames apart that end a crossing."""


@dataclass(frozen=True)
class Crossing:
    """Two instances (by position in the clip), and the nearest frames before and after in which they are apart."""

    pair: tuple[int, int]
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True)
class Switches:
    """The numbers of crossings, of switched ones, and of ones with a track that covers no instance."""

    crossings: int
    switched: int
    unanswered: int


def count_switches(instances: Sequence[Boxes], tracks: Sequence[Boxes]) -> Switches:
    """Count in one clip; track i started on instance i."""
    found = crossings(instances)
    moves = [[_move(tracks[i], instances, crossing) for i in crossing.pair] for crossing in found]
    known = [[move for move in pair if None not in move] for pair in moves]
    return Switches(
        crossings=len(found),
        switched=sum(any(before != after for before, after in pair) for pair in known),
        unanswered=sum(len(pair) < 2 for pair in known),
    )


def crossings(instances: Sequence[Boxes]) -> list[Crossing]:
    """All crossings of a clip, by pair."""
    count = len(instances)
    return [
        crossing
        for first in range(count)
        for second in range(first + 1, count)
        for crossing in _of_pair((first, second), instances)
    ]


def _of_pair(pair: tuple[int, int], instances: Sequence[Boxes]) -> list[Crossing]:
    first, second = (instances[i] for i in pair)
    close = {
        t: is_close(a, b) for t, (a, b) in enumerate(zip(first, second, strict=True)) if a is not None and b is not None
    }
    runs = _runs(close)
    return [
        Crossing(pair, tuple(runs[i - 1][1][-NEAREST:]), tuple(runs[i + 1][1][:NEAREST]))
        for i in range(1, len(runs) - 1)
        if runs[i][0]
    ]


def _runs(close: dict[int, bool]) -> list[tuple[bool, list[int]]]:
    """Alternating runs of frames in which the pair is close or apart."""
    runs = [(state, list(frames)) for state, frames in groupby(close, key=close.__getitem__)]
    kept = [run for i, run in enumerate(runs) if run[0] or i in {0, len(runs) - 1} or len(run[1]) >= PARTED]
    return [(state, [t for _, part in group for t in part]) for state, group in groupby(kept, key=itemgetter(0))]


def is_close(a: F32, b: F32) -> bool:
    """Whether two boxes (4,) of the same frame are close."""
    if iou_matrix(a[None], b[None])[0, 0] > CLOSE_IOU:
        return True
    distance = np.hypot(*((a[:2] + a[2:] - b[:2] - b[2:]) / 2))
    sides = np.concatenate([a[2:] - a[:2], b[2:] - b[:2]])
    return bool(distance < CLOSE_SIDES * sides.mean())


def _move(track: Boxes, instances: Sequence[Boxes], crossing: Crossing) -> tuple[int | None, int | None]:
    """The instances that a track covers before and after the crossing."""
    return _covered(track, instances, crossing.before), _covered(track, instances, crossing.after)


def _covered(track: Boxes, instances: Sequence[Boxes], frames: Sequence[int]) -> int | None:
    means = [np.mean([_iou(track[t], boxes[t]) for t in frames]) for boxes in instances]
    best = int(np.argmax(means))
    return best if means[best] > COVERS else None


def _iou(a: F32 | None, b: F32 | None) -> float:
    return 0.0 if a is None or b is None else float(iou_matrix(a[None], b[None])[0, 0])

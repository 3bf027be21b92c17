"""Identity of finished tubelets: which annotated instance each covers in a frame, and where that changes.

In a frame a tubelet *covers* the instance with which its mask has the highest IoU, if that is at least 0.5. A *switch*
is a change of the covered instance between consecutive frames in which the tubelet covers one; frames in between cover
none. All tubelets count, whatever their class and score, so this measures the result of every rule of the pipeline.

A *crossing* is that of `crossings`, between the annotated instances. An instance's tubelet is the best one that covers
it in a frame before the crossing. The crossing is *switched* if the tubelet of either instance covers another instance
in most of the frames after it in which it covers any, and *unanswered* if an instance has no tubelet before it, or one
that covers nothing afterwards.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco

from evaluation.data.dataset import Document
from evaluation.metrics.crossings import Crossing, Switches, crossings
from evaluation.metrics.overlaps import Masks, overlaps
from service.structures.arrays import F32, F64, I64, Bool

COVERS = 0.5
NEAR = 3
"""Distance in annotated frames up to which an uncertain frame marks a switch."""
NOTHING = -1


@dataclass(frozen=True, slots=True)
class Switch:
    """A tubelet that changes its instance.

    Attributes:
        tubelet: index of the tubelet.
        before: the last annotated frame that covers the former instance, by position.
        after: the first one that covers the next instance.
    """

    tubelet: int
    before: int
    after: int


def identity_counts(
    tubelets: Sequence[Masks], objects: Sequence[Masks], uncertain: Sequence[Sequence[bool]]
) -> Document:
    """Counts of one clip by name; `identity_figures` adds up those of several clips.

    Args:
        tubelets: masks by annotated frame, best tubelet first.
        objects: masks of the annotated instances, without crowds.
        uncertain: of every tubelet, whether each annotated frame belongs to an uncertain span.
    """
    shape = len(tubelets), len(tubelets[0]) if tubelets else 0
    marks = np.array(uncertain, np.bool_).reshape(shape)
    shown = np.array([[bool(mask) for mask in masks] for masks in tubelets], np.bool_).reshape(shape)
    covered = covered_instances(overlaps(tubelets, objects).frames)
    switches = switches_of(covered)
    crossed = crossing_switches(covered, crossings([_boxes(masks) for masks in objects]))
    return {
        "crossings": crossed.crossings,
        "switched_crossings": crossed.switched,
        "unanswered_crossings": crossed.unanswered,
        "tubelets": len(tubelets),
        "tubelet_switches": len(switches),
        "switched_tubelets": len({switch.tubelet for switch in switches}),
        "marked_switches": sum(is_marked(switch, marks) for switch in switches),
        "tubelet_frames": int(shown.sum()),
        "uncertain_frames": int((shown & marks).sum()),
    }


def identity_figures(clips: Sequence[Document]) -> dict[str, float]:
    """The sums of the counts of several clips, and `uncertain_share`: of the frames with a mask."""
    sums = {name: sum(clip[name] for clip in clips) for name in identity_counts([], [], [])}
    return {**sums, "uncertain_share": sums["uncertain_frames"] / max(sums["tubelet_frames"], 1)}


def is_marked(switch: Switch, uncertain: Bool) -> bool:
    """Whether an uncertain frame, (P, T), lies between the frames of a switch or at most `NEAR` beside them."""
    beside = slice(max(switch.before - NEAR, 0), switch.after + NEAR + 1)
    return bool(uncertain[switch.tubelet, beside].any())


def covered_instances(frames: F64) -> I64:
    """Mask IoU per frame (T, P, G) -> index of the instance that each tubelet covers, `NOTHING` for none: (T, P)."""
    if not frames.shape[2]:
        return np.full(frames.shape[:2], NOTHING, np.int64)
    return np.where(frames.max(axis=2) >= COVERS, frames.argmax(axis=2), NOTHING).astype(np.int64)


def switches_of(covered: I64) -> list[Switch]:
    """The switches in (T, P) of `covered_instances`, tubelet by tubelet in order of time."""
    found = []
    for tubelet in range(covered.shape[1]):
        seen = np.flatnonzero(covered[:, tubelet] != NOTHING)
        changes = np.flatnonzero(np.diff(covered[seen, tubelet]))
        found += [Switch(tubelet, int(seen[i]), int(seen[i + 1])) for i in changes]
    return found


def crossing_switches(covered: I64, found: Sequence[Crossing]) -> Switches:
    """The crossings that are switched or unanswered, from (T, P) of `covered_instances`, best tubelet first."""
    moves = [[_after(covered, instance, crossing) for instance in crossing.pair] for crossing in found]
    switched = sum(
        any(after not in {None, instance} for after, instance in zip(pair, crossing.pair, strict=True))
        for pair, crossing in zip(moves, found, strict=True)
    )
    return Switches(len(found), switched, sum(None in pair for pair in moves))


def _after(covered: I64, instance: int, crossing: Crossing) -> int | None:
    """The instance that the tubelet of `instance` covers after the crossing."""
    own = np.flatnonzero((covered[list(crossing.before)] == instance).any(axis=0))
    if not len(own):
        return None
    later = Counter(int(found) for found in covered[list(crossing.after), own[0]] if found != NOTHING)
    return max(later, key=lambda found: later[found], default=None)


def _boxes(masks: Masks) -> list[F32 | None]:
    """Tight boxes x1 y1 x2 y2 of an instance by frame; None where it is not visible."""
    boxes: list[F32 | None] = []
    for rle in masks:
        if not rle or not coco.area(rle):
            boxes.append(None)
            continue
        x, y, width, height = coco.toBbox(rle)
        boxes.append(np.array([x, y, x + width, y + height], np.float32))
    return boxes

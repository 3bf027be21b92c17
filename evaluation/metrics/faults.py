"""Errors of tubelets: TIDE's error types, and two errors specific to tracks.

Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020, with tubelet IoU in place
of box IoU, its thresholds 0.5 and 0.1, and the order of checks of its code (tidecv). A tubelet without a hit at IoU
0.5 is

    localisation  0.1 <= IoU < 0.5 with an object of its class
    class         IoU >= 0.5 with an object of another class
    duplicate     IoU >= 0.5 with an object of its class that a better tubelet hits
    background    IoU < 0.1 with everything
    both          the rest: 0.1 <= IoU < 0.5 with objects of other classes only

and an object that no tubelet hits and that is not the subject of a class or localization error is `missed`.

In addition: *switches* are those of `identity`; *fragments* are the tubelets beyond the first that cover the same
object (mask IoU from 0.5 in the frame).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from evaluation.data.dataset import AnnotatedVideo, Document
from evaluation.metrics.identity import COVERS, covered_instances, switches_of
from evaluation.metrics.overlaps import overlaps
from service.structures.arrays import F64

Kind = Literal["class", "localisation", "both", "duplicate", "background", "missed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FOREGROUND, BACKGROUND = 0.5, 0.1


@dataclass(frozen=True)
class Fault:
    """One error.

    Attributes:
        kind: see above.
        tubelet: index of the tubelet; None if an object is missed.
        object: index of the object concerned; None for `background` and `both`.
    """

    kind: Kind
    tubelet: int | None
    object: int | None


@dataclass(frozen=True)
class ClipFaults:
    """One clip's errors. Tubelets are sorted by score, best first; crowds are not objects.

    Attributes:
        name: of the video.
        labels, scores: category id and score of each tubelet.
        objects: category id of each object.
        hits: the object that each tubelet hits at IoU 0.5, or None.
        faults: of the tubelets and objects without a hit.
        switches: number of switches of each tubelet.
        fragments: number of fragments of each object.
    """

    name: str
    labels: tuple[int, ...]
    scores: tuple[float, ...]
    objects: tuple[int, ...]
    hits: tuple[int | None, ...]
    faults: tuple[Fault, ...]
    switches: tuple[int, ...]
    fragments: tuple[int, ...]


def clip_faults(video: AnnotatedVideo, annotations: Sequence[Document], results: Sequence[Document]) -> ClipFaults:
    """Compare one clip's YouTube-VIS records with its annotations."""
    tubelets = sorted(results, key=lambda item: -item["score"])
    objects = [item for item in annotations if not item.get("iscrowd", 0)]
    found = overlaps([item["segmentations"] for item in tubelets], [item["segmentations"] for item in objects])
    labels, wanted = ([int(item["category_id"]) for item in items] for items in (tubelets, objects))
    hits = match(found.clip, labels, wanted)
    return ClipFaults(
        name=video.name,
        labels=tuple(labels),
        scores=tuple(float(item["score"]) for item in tubelets),
        objects=tuple(wanted),
        hits=tuple(hits),
        faults=tuple(find_faults(found.clip, labels, wanted, hits)),
        switches=tuple(switches(found.frames)),
        fragments=tuple(fragments(found.frames)),
    )


def match(iou: F64, labels: Sequence[int], objects: Sequence[int]) -> list[int | None]:
    """The object that each tubelet hits: the best unmatched one of its class with IoU >= 0.5; best tubelet first.

    Args:
        iou: (P, G).
        labels: P category ids.
        objects: G category ids.
    """
    same = _same(labels, objects)
    taken: set[int] = set()
    hits: list[int | None] = []
    for row, allowed in zip(iou, same, strict=True):
        free = [g for g in np.flatnonzero(allowed & (row >= FOREGROUND)) if g not in taken]
        best = max(free, key=lambda g: row[g], default=None)
        hits.append(None if best is None else int(best))
        taken.update(() if best is None else (int(best),))
    return hits


def find_faults(iou: F64, labels: Sequence[int], objects: Sequence[int], hits: Sequence[int | None]) -> list[Fault]:
    """Errors of the tubelets without a hit, in order, then the missed objects."""
    same = _same(labels, objects)
    faults = [
        _fault(p, np.where(same[p], iou[p], 0), np.where(same[p], 0, iou[p]))
        for p in range(len(labels))
        if hits[p] is None
    ]
    explained = {fault.object for fault in faults if fault.kind in {"class", "localisation"}} | set(hits)
    return faults + [Fault("missed", None, g) for g in range(len(objects)) if g not in explained]


def _fault(tubelet: int, own: F64, other: F64) -> Fault:
    """The error of one tubelet, by its IoU with objects of its own class and of others, (G,) each, 0 elsewhere."""
    best, best_other = own.max(initial=0), other.max(initial=0)
    if BACKGROUND <= best < FOREGROUND:
        return Fault("localisation", tubelet, int(own.argmax()))
    if best_other >= FOREGROUND:
        return Fault("class", tubelet, int(other.argmax()))
    if best >= FOREGROUND:
        return Fault("duplicate", tubelet, int(own.argmax()))
    return Fault("background" if max(best, best_other) < BACKGROUND else "both", tubelet, None)


def switches(frames: F64) -> list[int]:
    """Switches of each tubelet, from mask IoU per frame (T, P, G)."""
    counts = [0] * frames.shape[1]
    for switch in switches_of(covered_instances(frames)):
        counts[switch.tubelet] += 1
    return counts


def fragments(frames: F64) -> list[int]:
    """Fragments of each object, from mask IoU per frame (T, P, G), best tubelet first.

    A frame counts for the best tubelet that covers the object there, so duplicates are not fragments.
    """
    covers = frames >= COVERS
    counts = []
    for number in range(frames.shape[2]):
        used = {int(row.argmax()) for row in covers[:, :, number] if row.any()}
        counts.append(max(len(used) - 1, 0))
    return counts


def _same(labels: Sequence[int], objects: Sequence[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.equal.outer(np.array(labels, np.int64), np.array(objects, np.int64))

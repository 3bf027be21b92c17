"""Errors over many clips: the frequency of each kind, and its cost in AP50 (TIDE's ΔAP)."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.data.dataset import Document
from evaluation.metrics.faults import KINDS, ClipFaults, Fault, Kind
from evaluation.metrics.ytvis import ANY_CLASS, IOU_THRESHOLDS, figures


@dataclass(frozen=True)
class Breakdown:
    """Errors of a set of clips.

    Attributes:
        ap50: without corrections.
        counts: errors of each kind.
        gains: what AP50 would gain if all errors of that kind, and no others, were corrected.
        switches: changes of the object under a tubelet; `switched` tubelets have one or more.
        fragments: tubelets beyond the first that cover an object; `fragmented` objects have one or more.
        tubelets, objects: their numbers.
    """

    ap50: float
    counts: dict[Kind, int]
    gains: dict[Kind, float]
    switches: int
    switched: int
    fragments: int
    fragmented: int
    tubelets: int
    objects: int


def break_down(clips: Sequence[ClipFaults]) -> Breakdown:
    """Count the errors, and correct one kind at a time."""
    ap50 = _ap50(clips, None)
    return Breakdown(
        ap50=ap50,
        counts={kind: sum(fault.kind == kind for clip in clips for fault in clip.faults) for kind in KINDS},
        gains={kind: _ap50(clips, kind) - ap50 for kind in KINDS},
        switches=sum(sum(clip.switches) for clip in clips),
        switched=sum(n > 0 for clip in clips for n in clip.switches),
        fragments=sum(sum(clip.fragments) for clip in clips),
        fragmented=sum(n > 0 for clip in clips for n in clip.fragments),
        tubelets=sum(len(clip.labels) for clip in clips),
        objects=sum(len(clip.objects) for clip in clips),
    )


def _ap50(clips: Sequence[ClipFaults], mended: Kind | None) -> float:
    return figures([_document(clip, mended) for clip in clips])["AP50"]


def _document(clip: ClipFaults, mended: Kind | None) -> Document:
    """The clip as input of the metrics, with all errors of one kind corrected.

    As with TIDE's oracles, a class or localization error becomes a hit if the object is still unmatched and is removed
    otherwise; duplicate, background and both errors are removed, and so are missed objects.
    """
    faults = {fault.tubelet: fault for fault in clip.faults if fault.kind == mended}
    taken = {hit for hit in clip.hits if hit is not None}
    rows: list[tuple[int, float, int]] = []
    for index, (label, score, hit) in enumerate(zip(clip.labels, clip.scores, clip.hits, strict=True)):
        fault = faults.get(index)
        if fault is None:
            rows.append((label, score, int(hit is not None)))
        elif (number := _rescued(fault, taken)) is not None:
            taken.add(number)
            rows.append((clip.objects[number], score, 1))
    gone = {fault.object for fault in clip.faults if fault.kind == mended == "missed"}
    objects = [label for number, label in enumerate(clip.objects) if number not in gone]
    classes = {label: _class(rows, objects, label) for label in {*objects, *(row[0] for row in rows)}}
    return {"classes": {**{str(label): found for label, found in classes.items()}, ANY_CLASS: _class([], [], 0)}}


def _rescued(fault: Fault, taken: set[int]) -> int | None:
    """The object that a corrected tubelet hits, if it is still unmatched."""
    free = fault.kind in {"class", "localisation"} and fault.object not in taken
    return fault.object if free else None


def _class(rows: Sequence[tuple[int, float, int]], objects: Sequence[int], label: int) -> Document:
    own = [(score, hit) for name, score, hit in rows if name == label]
    hits = [hit for _, hit in own]
    return {
        "scores": [score for score, _ in own],
        "hits": [hits for _ in IOU_THRESHOLDS],
        "truths": objects.count(label),
    }

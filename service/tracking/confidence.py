"""How sure it is that a tubelet is still on its object (docs/method.md, section 7.1).

Many seeds of a chunk show the same object, before and after any given frame, and are tracked on their own in both
directions. Where such companions part, one of them has changed its object. And after a gap, a tubelet may have been
found again on another object.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from service.structures.arrays import F64, I8
from service.structures.masks import iou_matrix
from service.structures.tubelets import LabeledTubelet, Tubelet
from service.tracking.recognition import HALFWAY, similarity

TOGETHER = 0.5
"""Mask IoU from which two tubelets show the same object in a frame."""
APART = 0.1
"""Mask IoU below which two visible tubelets show different objects; in between it is undecided."""
UNCERTAIN = 0.5
"""A frame with a confidence below this belongs to an uncertain span."""
Spans = tuple[tuple[int, int], ...]
"""First and last frame of each span."""


def with_confidence(items: Sequence[LabeledTubelet]) -> list[LabeledTubelet]:
    """The tubelets of a chunk with their confidence in every frame; masks, labels and scores are unchanged.

    Their looks are dropped, as nothing after this reads them.

    Args:
        items: labeled, before tubelet NMS: those that NMS drops are companions of those that stay.
    """
    if not items:
        return []
    states = _states([item.tubelet for item in items])
    weights = np.array([item.score for item in items])
    return [_assessed(item, _parting_doubt(states[:, number], weights)) for number, item in enumerate(items)]


def _assessed(item: LabeledTubelet, doubt: F64) -> LabeledTubelet:
    confidence = (1 - np.maximum(doubt, _gap_doubt(item.tubelet))).astype(np.float32)
    looks = np.zeros((len(confidence), 0), np.float16)
    return replace(item, tubelet=replace(item.tubelet, confidence=confidence, looks=looks))


def uncertain_spans(tubelet: Tubelet) -> Spans:
    """Spans of frames of the video in which the tubelet may have changed its object, ascending.

    Uncertain frames belong to the same span if every frame between them with a mask is uncertain.
    """
    spans: list[tuple[int, int]] = []
    open_span = False
    for t in tubelet.frames:
        doubtful = bool(tubelet.confidence[t - tubelet.start] < UNCERTAIN)
        if doubtful:
            spans[len(spans) - open_span :] = [(spans[-1][0] if open_span else t, t)]
        open_span = doubtful
    return tuple(spans)


def _states(tubelets: Sequence[Tubelet]) -> I8:
    """Of all pairs and frames, (T, P, P): 1 together, -1 apart, 0 undecided, not both visible, or the same tubelet."""
    count, length = len(tubelets), len(tubelets[0].masks)
    states = np.zeros((length, count, count), np.int8)
    for t in range(length):
        shown = [(number, mask) for number, each in enumerate(tubelets) if (mask := each.masks[t]) is not None]
        numbers, masks = [number for number, _ in shown], [mask for _, mask in shown]
        iou = iou_matrix(masks, masks)
        states[np.ix_([t], numbers, numbers)] = np.where(iou >= TOGETHER, 1, np.where(iou < APART, -1, 0))
    own = np.arange(count)
    states[:, own, own] = 0
    return states


def _parting_doubt(states: I8, weights: F64) -> F64:
    """Doubt in [0, 1) in every frame, (T,), from a tubelet's states with all others (T, P) and their weights (P,).

    A step from one frame to the next lies between the last decided state before it and the first one after it. The
    companions are those that are together with the tubelet in either; those that are not in both part from it.
    """
    before, after = _last_decided(states)[:-1], _last_decided(states[::-1])[::-1][1:]
    parting = ((before * after) == -1) @ weights
    staying = ((before == 1) & (after == 1)) @ weights
    share = np.divide(parting, parting + staying, out=np.zeros_like(parting), where=parting > 0)
    doubt = share * (1 - np.exp(-parting))
    beside: F64 = np.maximum(np.append(doubt, 0), np.insert(doubt, 0, 0))
    return beside


def _gap_doubt(tubelet: Tubelet) -> F64:
    """Doubt in [0, 1) in the two frames beside each gap, (T,): its length, and how little the look is the seed's."""
    doubt = np.zeros(len(tubelet.masks))
    origin = tubelet.seed.frame - tubelet.start
    places = [t - tubelet.start for t in tubelet.frames]
    for first, last in pairwise(places):
        gap, found = last - first - 1, last if first >= origin else first
        known = tubelet.looks[[found, origin]].any(axis=1).all() if 0 <= origin < len(doubt) else False
        if gap and known:
            differing = 1 - similarity(tubelet.looks[origin], tubelet.looks[found])
            beside = [first, last]
            doubt[beside] = np.maximum(doubt[beside], gap / (gap + HALFWAY) * differing)
    return doubt


def _last_decided(states: I8) -> I8:
    """The last state other than 0 up to each frame, (T, P)."""
    known = np.where(states != 0, np.arange(len(states))[:, None], 0)
    latest = np.maximum.accumulate(known, axis=0)
    found: I8 = np.take_along_axis(states, latest, axis=0)
    return found

"""Overlap of tubelets and annotated objects: over a whole clip, and per frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco

from evaluation.data.dataset import Document
from service.structures.arrays import F64

Masks = Sequence[Document | None]
"""One mask (COCO RLE) or None per annotated frame."""


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Overlaps of P tubelets and G objects of one clip of T annotated frames.

    Attributes:
        clip: (P, G), IoU as in YouTube-VIS: intersections over unions, each summed over the frames.
        frames: (T, P, G), mask IoU in each frame; 0 where either mask is absent.
    """

    clip: F64
    frames: F64


def overlaps(tubelets: Sequence[Masks], objects: Sequence[Masks]) -> Overlaps:
    """All pairs; every sequence has a mask or None for each of the T frames."""
    length = max((len(masks) for masks in (*tubelets, *objects)), default=0)
    frames = np.zeros((length, len(tubelets), len(objects)))
    intersections, unions = np.zeros(frames.shape[1:]), np.zeros(frames.shape[1:])
    for t in range(length):
        found, wanted = [masks[t] for masks in tubelets], [masks[t] for masks in objects]
        frames[t] = _iou(found, wanted)
        total = _areas(found)[:, None] + _areas(wanted)[None]
        # with i the intersection and u the union: total = u + i and iou = i / u
        union = total / (1 + frames[t])
        unions += union
        intersections += total - union
    clip = np.divide(intersections, unions, out=np.zeros_like(unions), where=unions > 0)
    return Overlaps(clip, frames)


def _iou(a: Masks, b: Masks) -> F64:
    rows, columns = ([i for i, mask in enumerate(masks) if mask] for masks in (a, b))
    iou = np.zeros((len(a), len(b)))
    if rows and columns:
        iou[np.ix_(rows, columns)] = coco.iou([a[i] for i in rows], [b[i] for i in columns], [0] * len(columns))
    return np.nan_to_num(iou)


def _areas(masks: Masks) -> F64:
    return np.array([float(coco.area(mask)) if mask else 0.0 for mask in masks])

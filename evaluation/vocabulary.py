"""From the detector's classes to a data set's categories: by name, COCO's names by the field's usual table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from service.inference.repository import ModelClass
from service.structures.arrays import F32, I64
from service.structures.detections import Detections

COCO_TO_YTVIS = {
    "motorcycle": "motorbike",
    "bicycle": "motorbike",
    "car": "sedan",
    "skis": "snowboard",
    "tennis racket": "tennis_racket",
}
"""COCO → YouTube-VIS 2019 where the names differ (the table of IFC, VITA, MinVIS and DVIS). bicycle and skis are its
deliberate approximations. COCO's `bird` and `mouse` (the computer's) have no counterpart."""
COCO_ONLY = frozenset({"bird", "mouse"})


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Which detector classes stand for which categories.

    Attributes:
        category_ids: ids of the data set's categories that the detector knows, ascending.
        members: for each of them the indices of the detector's classes.
        unknown: names of the categories that the detector does not have.
    """

    category_ids: tuple[int, ...]
    members: tuple[I64, ...]
    unknown: tuple[str, ...]

    def project(self, detections: Detections, threshold: float) -> Detections:
        """Class vectors over the data set's categories; candidates below `threshold` there are left out.

        A category of several classes takes the highest of their scores.
        """
        probs = np.zeros((len(detections), len(self.category_ids)), np.float32)
        for column, members in enumerate(self.members):
            probs[:, column] = detections.probs[:, members].max(axis=1, initial=0)
        projected = Detections(detections.frame, detections.boxes, probs, detections.masks)
        return projected.select(np.flatnonzero(_best(probs) >= threshold).astype(np.int64))


def match_vocabulary(classes: Sequence[ModelClass], categories: Mapping[int, str]) -> Vocabulary:
    """Match by name; see `COCO_TO_YTVIS` for the names that differ."""
    known: dict[int, list[int]] = {}
    by_name = {name: category_id for category_id, name in categories.items()}
    for index, item in enumerate(classes):
        category_id = by_name.get(_name_in_ytvis(item)) or (by_name.get(item.name) if _same(item) else None)
        if category_id is not None:
            known.setdefault(category_id, []).append(index)
    ids = tuple(sorted(known))
    members = tuple(np.array(known[category_id], np.int64) for category_id in ids)
    unknown = tuple(name for category_id, name in categories.items() if category_id not in known)
    return Vocabulary(ids, members, unknown)


def _name_in_ytvis(item: ModelClass) -> str:
    if item.vocabulary != "coco":
        return item.name
    return "" if item.name in COCO_ONLY else COCO_TO_YTVIS.get(item.name, item.name)


def _same(item: ModelClass) -> bool:
    """A data set may use COCO's own names ("car"); those with another meaning in YouTube-VIS stay out."""
    return item.name not in COCO_ONLY


def _best(probs: F32) -> F32:
    return probs.max(axis=1, initial=0) if probs.size else np.zeros(len(probs), np.float32)

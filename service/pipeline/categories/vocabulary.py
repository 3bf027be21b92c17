"""Maps the detector's classes to the categories of a result or dataset, by name and by a set's table of names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dualtrack.result.model import Category
from service.inference.repository.manifest import ModelClass
from service.pipeline.categories.tables import Renames, category_table
from service.structures.arrays import F32, I64
from service.structures.categories import plain_name
from service.structures.detections import Detections


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """A mapping from detector classes to categories.

    Attributes:
        categories: those with a class of the detector, by ascending id.
        members: indices of the detector's classes for each category.
        unknown: names of the categories without a class of the detector.
    """

    categories: tuple[Category, ...]
    members: tuple[I64, ...]
    unknown: tuple[str, ...] = ()

    @property
    def category_ids(self) -> tuple[int, ...]:
        """Ids of the categories."""
        return tuple(category.id for category in self.categories)

    def project(self, detections: Detections, threshold: float) -> Detections:
        """Project class vectors to the categories, dropping candidates whose score is then below `threshold`.

        A category with several classes gets the highest of their scores.
        """
        probs = np.zeros((len(detections), len(self.categories)), np.float32)
        for column, members in enumerate(self.members):
            probs[:, column] = detections.probs[:, members].max(axis=1, initial=0)
        projected = replace(detections, probs=probs)
        return projected.select(np.flatnonzero(_best(probs) >= threshold).astype(np.int64))


def match_vocabulary(
    classes: Sequence[ModelClass], categories: Mapping[int, str], renames: Renames | None = None
) -> Vocabulary:
    """Match by name.

    Args:
        classes: of the detector.
        categories: name by id.
        renames: of the categories' set, by default YouTube-VIS 2019. Other names are unchanged.
    """
    renames = category_table("ytvis2019").renames if renames is None else renames
    by_name = {plain_name(name): category_id for category_id, name in categories.items()}
    known: dict[int, list[int]] = {}
    for index, item in enumerate(classes):
        found = [by_name[name] for name in _names(item, renames) if name in by_name]
        if found:
            known.setdefault(found[0], []).append(index)
    ids = sorted(known)
    return Vocabulary(
        tuple(Category(category_id, categories[category_id]) for category_id in ids),
        tuple(np.array(known[category_id], np.int64) for category_id in ids),
        tuple(name for category_id, name in categories.items() if category_id not in known),
    )


def _names(item: ModelClass, renames: Renames) -> list[str]:
    """Possible names of a class in the set, the set's own name first; empty if it has no counterpart."""
    renamed = renames.get(item.vocabulary, {}).get(item.name)
    if renamed == "":
        return []
    # a dataset may use the class's name ("car") instead of the set's ("sedan")
    return [plain_name(name) for name in (renamed, item.name) if name is not None]


def _best(probs: F32) -> F32:
    return probs.max(axis=1, initial=0) if probs.size else np.zeros(len(probs), np.float32)

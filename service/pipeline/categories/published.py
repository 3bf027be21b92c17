"""Published ids of the bundled classes."""

from collections.abc import Sequence

from service.inference.repository.manifest import ModelClass
from service.pipeline.categories.tables import category_table

OFFSETS = {"coco": 0, "ytvis2019": 1000}
"""Offset added to a set's ids, by vocabulary. COCO's are unchanged, since most tools know them; those of YouTube-VIS
2019 would collide with them (its 3 is a giraffe, COCO's a car)."""


def published_ids(classes: Sequence[ModelClass]) -> list[int] | None:
    """The id of every class; None if one has no id or two have the same, so that they must be numbered."""
    ids = [_published(item) for item in classes]
    known = [number for number in ids if number is not None]
    return known if len(known) == len(classes) == len(set(known)) else None


def _published(item: ModelClass) -> int | None:
    if item.vocabulary == "coco":
        found = category_table("coco").categories
    elif item.vocabulary == "ytvis2019":
        found = category_table("ytvis2019").categories
    else:
        return None
    return next((OFFSETS[item.vocabulary] + known.id for known in found if known.name == item.name), None)

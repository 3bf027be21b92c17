"""Published ids of the bundled classes, which anyone can look up."""

from collections.abc import Sequence

from service.inference.repository.manifest import ModelClass
from service.pipeline.categories.tables import category_table

OFFSETS = {"coco": 0, "ytvis2019": 1000}
"""By vocabulary what is added to the set's own ids: COCO's stay as they are, for most tools know them; those of
YouTube-VIS 2019 mean something else there (its 3 is a giraffe, COCO's a car)."""


def published_ids(classes: Sequence[ModelClass]) -> list[int] | None:
    """The id of every class; None where one has none, or two have the same: then they have to be counted."""
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

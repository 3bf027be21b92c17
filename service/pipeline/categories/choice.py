"""The categories requested for the result: a bundled set, some of the detector's classes, or a custom list."""

from collections.abc import Iterable, Sequence
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from dualtrack.errors import InvalidParameter
from dualtrack.result.model import Category
from service.inference.repository.manifest import display_names
from service.pipeline.categories.class_vector import ClassVector
from service.pipeline.categories.tables import TABLES, TableName, category_table
from service.pipeline.categories.vocabulary import Vocabulary, match_vocabulary
from service.structures.categories import plain_name

MOST = 5000
Name = Annotated[str, Field(min_length=1, max_length=200)]


class OwnCategory(BaseModel):
    """A category of a custom list."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Annotated[int, Field(ge=0, strict=True, description="Id in the result.")]
    name: Annotated[Name, Field(description="Name in the result.")]
    of: tuple[Name, ...] = Field(
        (),
        description="Class names of the detector that map to this category; "
        "if empty, the classes with the category's name.",
    )


CategoryChoice = (
    TableName
    | Annotated[tuple[Name, ...], Field(min_length=1, max_length=MOST)]
    | Annotated[tuple[OwnCategory, ...], Field(min_length=1, max_length=MOST)]
)
WANTED = f"expected {', '.join(TABLES)}, a list of names, or a list of categories with an id and a name each"


def choose(vector: ClassVector, choice: CategoryChoice | None) -> Vocabulary | None:
    """The mapping from a detector's classes to the requested categories; None if none are requested.

    A set or a custom list maps: the result has its ids and names. A list of class names filters: the classes keep
    their own.

    Raises:
        InvalidParameter: a name is unknown, an id is repeated, or no category matches a class of the detector.
    """
    if choice is None:
        return None
    if isinstance(choice, str):
        table = category_table(choice)
        matched = match_vocabulary(vector.classes, {item.id: item.name for item in table.categories}, table.renames)
    elif isinstance(choice[0], str):
        matched = _filtered(vector, [name for name in choice if isinstance(name, str)])
    else:
        matched = _own(vector, [item for item in choice if isinstance(item, OwnCategory)])
    if not matched.categories:
        raise InvalidParameter("categories: expected at least one that matches a class of the detector, got none")
    return matched


def _filtered(vector: ClassVector, names: Sequence[str]) -> Vocabulary:
    indices = _indices(vector, names)
    return Vocabulary(
        tuple(vector.categories[index] for index in indices), tuple(np.array([index], np.int64) for index in indices)
    )


def _own(vector: ClassVector, wanted: Sequence[OwnCategory]) -> Vocabulary:
    ids = [item.id for item in wanted]
    if twice := sorted({number for number in ids if ids.count(number) > 1}):
        raise InvalidParameter(f"categories: expected unique ids, got {twice} more than once")
    alike = match_vocabulary(vector.classes, {item.id: item.name for item in wanted if not item.of})
    members = dict(zip(alike.category_ids, alike.members, strict=True))
    members |= {item.id: np.array(_indices(vector, item.of), np.int64) for item in wanted if item.of}
    known = sorted((item for item in wanted if item.id in members), key=lambda item: item.id)
    return Vocabulary(tuple(Category(item.id, item.name) for item in known), tuple(members[item.id] for item in known))


def _indices(vector: ClassVector, names: Iterable[str]) -> list[int]:
    """Indices of the classes with these names, ascending; a name that two vocabularies share selects both classes."""
    shown = display_names(vector.classes)
    wanted = {plain_name(name): name for name in names}
    called = [{plain_name(item.name), plain_name(shown[i])} for i, item in enumerate(vector.classes)]
    if unknown := sorted(name for plain, name in wanted.items() if not any(plain in each for each in called)):
        raise InvalidParameter(f"categories: expected names of the detector's classes, got {', '.join(unknown)[:200]}")
    return [index for index, each in enumerate(called) if each & wanted.keys()]

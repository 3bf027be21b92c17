"""The bundled category sets: the files in `sets/` beside this one, the one home of their names."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from dualtrack.result.model import Category

FOLDER = Path(__file__).resolve().parent / "sets"
TableName = Literal["coco", "ytvis2019", "ytvis2021", "ovis"]
TABLES: tuple[TableName, ...] = get_args(TableName)
Renames = Mapping[str, Mapping[str, str]]
"""By vocabulary: its names that are called differently in a set; an empty name has no counterpart there."""


@dataclass(frozen=True, slots=True)
class CategoryTable:
    """One set.

    Attributes:
        categories: in the order of their ids.
        renames: how classes of other vocabularies are called here; all others keep their names.
    """

    categories: tuple[Category, ...]
    renames: Renames

    @property
    def names(self) -> tuple[str, ...]:
        """The categories' names."""
        return tuple(category.name for category in self.categories)


@cache
def category_table(name: TableName) -> CategoryTable:
    """The set called `name`."""
    document = tomllib.loads((FOLDER / f"{name}.toml").read_text())
    names: list[str] = document["names"]
    ids: list[int] = document.get("ids") or list(range(1, len(names) + 1))
    categories = tuple(Category(number, text) for number, text in zip(ids, names, strict=True))
    return CategoryTable(categories, document.get("from", {}))

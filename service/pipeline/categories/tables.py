"""The bundled category sets, defined by the files in `sets/`."""

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
"""Names of a vocabulary that differ in a set, by vocabulary; an empty name means no counterpart in the set."""


@dataclass(frozen=True, slots=True)
class CategoryTable:
    """One category set.

    Attributes:
        categories: in order of their ids.
        renames: names of classes of other vocabularies in this set, if they differ.
    """

    categories: tuple[Category, ...]
    renames: Renames

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the categories."""
        return tuple(category.name for category in self.categories)


@cache
def category_table(name: TableName) -> CategoryTable:
    """The set with this name."""
    document = tomllib.loads((FOLDER / f"{name}.toml").read_text())
    names: list[str] = document["names"]
    ids: list[int] = document.get("ids") or list(range(1, len(names) + 1))
    categories = tuple(Category(number, text) for number, text in zip(ids, names, strict=True))
    return CategoryTable(categories, document.get("from", {}))

"""The bundled category sets, and what the bundled classes become in them."""

import pytest

from service.inference.repository.manifest import ModelClass
from service.pipeline.categories.tables import TABLES, TableName, category_table
from service.pipeline.categories.vocabulary import match_vocabulary
from service.structures.categories import plain_name

COCO_TO: dict[TableName, dict[int, int]] = {
    "ytvis2019": {1: 1, 2: 21, 3: 6, 4: 21, 5: 28, 7: 17, 8: 29, 9: 34, 17: 14, 18: 8, 19: 18, 21: 15, 22: 32, 23: 20}
    | {24: 30, 25: 22, 35: 33, 36: 33, 41: 5, 42: 27, 43: 40},
    "ytvis2021": {1: 26, 2: 23, 3: 5, 4: 23, 5: 1, 7: 36, 8: 37, 9: 4, 16: 3, 17: 6, 18: 9, 19: 19, 21: 7, 22: 12}
    | {23: 2, 24: 40, 25: 18, 34: 14, 35: 31, 36: 31, 41: 29, 42: 33, 43: 34},
    "ovis": {1: 1, 2: 21, 3: 25, 4: 22, 5: 23, 6: 25, 8: 25, 9: 24, 17: 3, 18: 4, 19: 5, 20: 6, 21: 7, 22: 8, 23: 9}
    | {24: 10, 25: 11},
}
"""Ids in COCO -> ids in the set, as the code of IFC, VITA, MinVIS and DVIS has them."""


@pytest.mark.parametrize("name", sorted(COCO_TO))
def test_coco_classes_become_what_the_published_tables_say(name: TableName) -> None:
    coco = category_table("coco").categories
    table = category_table(name)
    matched = match_vocabulary(
        [ModelClass(item.name, "coco") for item in coco],
        {item.id: item.name for item in table.categories},
        table.renames,
    )
    pairs = {
        coco[int(index)].id: category.id
        for category, members in zip(matched.categories, matched.members, strict=True)
        for index in members
    }
    assert pairs == COCO_TO[name]


@pytest.mark.parametrize(("name", "size"), [("coco", 80), ("ytvis2019", 40), ("ytvis2021", 40), ("ovis", 25)])
def test_sizes(name: TableName, size: int) -> None:
    categories = category_table(name).categories
    assert len({item.id for item in categories}) == len({plain_name(item.name) for item in categories}) == size


@pytest.mark.parametrize("name", TABLES)
def test_renames_speak_of_names_that_exist(name: TableName) -> None:
    table = category_table(name)
    for vocabulary, renames in table.renames.items():
        assert set(renames) <= set(category_table(vocabulary).names)  # type: ignore[arg-type]
        assert set(renames.values()) - {""} <= set(table.names)


def test_merged_and_own_names() -> None:
    table = category_table("ytvis2021")
    classes = [ModelClass("owl", "ytvis2019"), ModelClass("Giant_Panda", "own"), ModelClass("hand", "ytvis2019")]
    matched = match_vocabulary(classes, {item.id: item.name for item in table.categories}, table.renames)
    assert [(item.name, members.tolist()) for item, members in zip(matched.categories, matched.members)] == [
        ("bird", [0]),
        ("giant_panda", [1]),
    ]

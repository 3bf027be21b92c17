"""The ids under which results name the classes."""

from pathlib import Path

import pytest

from service.inference.repository.manifest import OWN, ModelClass, load_manifest
from service.pipeline.categories.class_vector import bundled, counted, numbered
from tests.support.pipelines import REPOSITORY

COCO_DOG, YTVIS_MOUSE, COCO_MOUSE = (
    ModelClass("dog", "coco"),
    ModelClass("mouse", "ytvis2019"),
    ModelClass("mouse", "coco"),
)


def test_bundled_classes_have_published_ids() -> None:
    ids = {category.name: category.id for category in bundled(load_manifest(Path(REPOSITORY))).categories}
    assert len(ids) == len(set(ids.values())) == 101
    assert (ids["person"], ids["cat"], ids["dog"], ids["toothbrush"]) == (1, 17, 18, 90)
    assert (ids["giant_panda"], ids["earless_seal"]) == (1002, 1039)
    assert (ids["mouse (coco)"], ids["mouse (ytvis2019)"]) == (74, 1036)


@pytest.mark.parametrize(
    ("classes", "ids"),
    [
        pytest.param([COCO_DOG, YTVIS_MOUSE, COCO_MOUSE], [18, 1036, 74], id="of-two-sets"),
        pytest.param([COCO_DOG, ModelClass("walker", OWN)], [1, 2], id="one-of-no-set"),
        pytest.param([COCO_DOG, ModelClass("hound", "coco")], [1, 2], id="a-name-that-the-set-has-not"),
        pytest.param([COCO_DOG, COCO_DOG], [1, 2], id="one-twice"),
        pytest.param([], [], id="none"),
    ],
)
def test_ids(classes: list[ModelClass], ids: list[int]) -> None:
    assert [category.id for category in numbered("x", classes).categories] == ids


def test_before_schema_1_classes_were_counted() -> None:
    assert [category.id for category in counted("x", [COCO_DOG, YTVIS_MOUSE]).categories] == [1, 2]

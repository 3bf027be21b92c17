"""COCO's figures of boxes and masks, of all images and of some."""

import contextlib
import io
from typing import Any

import pytest
from pycocotools.coco import COCO

from evaluation.metrics.coco import coco_figures
from evaluation.output.tables import stratum_table
from tests.unit.builders import HW, mask


def record(image: int, x: int, size: int, **more: Any) -> dict[str, Any]:
    place = mask(x, size=size)
    return {"image_id": image, "bbox": [x, 5, size, size], "segmentation": place.json(), "category_id": 1, **more}


def dataset() -> COCO:
    """Image 1 with an object of 10 px, image 2 with one of 20 px: both are small for COCO."""
    annotations = [
        record(number, 0, size, id=number, iscrowd=0, area=size * size) for number, size in ((1, 10), (2, 20))
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": i, "height": HW[0], "width": HW[1]} for i in (1, 2)],
            "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}],
            "annotations": annotations,
        }
        truth.createIndex()
    return truth


def test_right_records_give_one_and_sizes_that_do_not_occur_give_nothing() -> None:
    results = [record(1, 0, 10, score=0.9), record(2, 0, 20, score=0.8)]
    figures = coco_figures(dataset(), results, [1, 2])
    names = ("AP", "AP50", "AP75", "AP_small")
    assert figures == pytest.approx({f"{kind}_{name}": 1.0 for kind in ("mask", "box") for name in names})
    assert set(results[0]) == {"image_id", "bbox", "segmentation", "category_id", "score"}


def test_only_the_chosen_images_count() -> None:
    results = [record(1, 30, 10, score=0.9), record(2, 0, 20, score=0.8)]
    assert coco_figures(dataset(), results, [1])["box_AP"] == 0
    assert coco_figures(dataset(), results, [2])["box_AP"] == pytest.approx(1)


def test_nothing_found() -> None:
    assert set(coco_figures(dataset(), [], [1, 2]).values()) == {0.0}


def test_many_figures_stand_below_each_other() -> None:
    strata = {"train": dict.fromkeys("abcdefghij", 0.5), "val": {**dict.fromkeys("abcdefghijk", 0.25), "rows": []}}
    table = stratum_table(strata, "split")
    assert [column.header for column in table.columns] == ["metric", "train", "val"]
    assert [list(column.cells)[-1] for column in table.columns] == ["k", "", "0.2500"]

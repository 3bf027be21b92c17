"""COCO metrics of boxes and masks in images (pycocotools), over the categories that occur."""

import contextlib
import copy
import io
from collections.abc import Sequence
from typing import Any

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evaluation.data.dataset import Document

KINDS = {"mask": "segm", "box": "bbox"}
STATS = {"AP": 0, "AP50": 1, "AP75": 2, "AP_small": 3, "AP_medium": 4, "AP_large": 5}
"""Indices in COCOeval's stats; the size limits are annotated areas of 32² and 96² pixels."""
NOT_THERE = -1.0
"""COCOeval's value if no object of a size is annotated."""


def coco_figures(truth: COCO, results: Sequence[Document], image_ids: Sequence[int]) -> dict[str, float]:
    """`mask_AP, mask_AP50, mask_AP75, mask_AP_small, …` and the same for `box_…`, all in [0, 1].

    Sizes that no annotated object has are omitted.

    Args:
        truth: the annotations.
        results: COCO records with `bbox` and `segmentation`, of these and possibly other images.
        image_ids: images to evaluate.
    """
    chosen = set(image_ids)
    own = [record for record in results if record["image_id"] in chosen]
    figures: dict[str, float] = {}
    for name, kind in KINDS.items():
        stats = _stats(truth, own, kind, image_ids)
        figures |= {f"{name}_{key}": float(stats[i]) for key, i in STATS.items() if stats[i] != NOT_THERE}
    return figures


def _stats(truth: COCO, results: Sequence[Document], kind: str, image_ids: Sequence[int]) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        # loadRes modifies the records, and rejects an empty list
        found = truth.loadRes(copy.deepcopy(list(results))) if results else COCO()
        evaluation = COCOeval(truth, found, kind)
        evaluation.params.imgIds = sorted(image_ids)
        evaluation.params.catIds = sorted({truth.anns[i]["category_id"] for i in truth.getAnnIds(imgIds=image_ids)})
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats

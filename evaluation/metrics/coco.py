"""COCO's metric of boxes and masks in images (pycocotools), over the categories that occur."""

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
"""Places in COCOeval's list; the sizes are 32² and 96² pixels of the annotated area."""
NOT_THERE = -1.0
"""What COCOeval says where no object of a size is annotated."""


def coco_figures(truth: COCO, results: Sequence[Document], image_ids: Sequence[int]) -> dict[str, float]:
    """`mask_AP, mask_AP50, mask_AP75, mask_AP_small, …` and the same of `box_…`, all in 0..1.

    A size that no annotated object has gives no figure.

    Args:
        truth: the annotations.
        results: COCO records with `bbox` and `segmentation`, of these and perhaps other images.
        image_ids: images that count.
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
        # loadRes writes into the records it is given, and refuses an empty list
        found = truth.loadRes(copy.deepcopy(list(results))) if results else COCO()
        evaluation = COCOeval(truth, found, kind)
        evaluation.params.imgIds = sorted(image_ids)
        evaluation.params.catIds = sorted({truth.anns[i]["category_id"] for i in truth.getAnnIds(imgIds=image_ids)})
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats

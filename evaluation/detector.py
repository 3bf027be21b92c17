"""The detector alone, by the COCO metric over the categories that occur."""

import contextlib
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from service.errors import InvalidDataset
from service.inference.category_tables import category_table
from service.inference.repository import ModelClass
from service.pipeline.detect import candidates
from service.pipeline.frames import network_batch
from service.pipeline.networks import Networks
from service.pipeline.params import DetectorParams
from service.pipeline.vocabulary import Vocabulary, match_vocabulary
from service.structures.arrays import U8
from service.structures.canvas import fit
from service.structures.detections import Detections

Document = dict[str, Any]
DETECTOR = DetectorParams(th_det=0.05, max_per_frame=50)
"""COCO's metric wants the low scores, too."""


async def detector_metrics(path: Path, networks: Networks, limit: int | None) -> dict[str, float]:
    """`mask_AP, mask_AP50, box_AP, box_AP50` on a COCO-format file with `images/` beside it; all in 0..1."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
    vocabulary = _vocabulary(networks.manifest.classes, {c["id"]: c["name"] for c in truth.dataset["categories"]})
    image_ids = sorted(truth.getImgIds())[:limit]
    results: list[Document] = []
    for image_id in image_ids:
        frame = read_image(path.parent / "images" / truth.imgs[image_id]["file_name"])
        results += _records(image_id, vocabulary.project(await _detect(frame, networks), 0), vocabulary)
    occurring = sorted({truth.anns[i]["category_id"] for i in truth.getAnnIds(imgIds=image_ids)})
    scores: dict[str, float] = {"images": len(image_ids)}
    for kind, name in (("segm", "mask"), ("bbox", "box")):
        ap, ap50 = _coco(truth, results, kind, image_ids, occurring)
        scores |= {f"{name}_AP": ap, f"{name}_AP50": ap50}
    return scores


def read_image(path: Path) -> U8:
    """An image file as (H, W, 3) uint8 RGB."""
    if not path.is_file():
        raise InvalidDataset(f"image: expected {path}, found no such file", code="no-image-file")
    with av.open(str(path)) as container:
        frame: U8 = next(container.decode(video=0)).to_ndarray(format="rgb24")
    return frame


def _vocabulary(classes: tuple[ModelClass, ...], categories: Mapping[int, str]) -> Vocabulary:
    """COCO's own data sets name COCO's classes, `mouse` and `bird` too; all others are matched as YouTube-VIS 2019."""
    coco = {"bird", "mouse"} <= set(categories.values())
    return match_vocabulary(classes, categories, category_table("coco").renames if coco else None)


async def _detect(frame: U8, networks: Networks) -> Detections:
    height, width = frame.shape[:2]
    canvas = fit((height, width), short_side=DETECTOR.short_side, long_side=DETECTOR.long_side)
    resized = cv2.resize(frame, canvas.network_hw[::-1], interpolation=cv2.INTER_AREA)
    outputs = await networks.run("mask_rcnn", network_batch([resized.astype(np.uint8)], canvas))
    first = {name: outputs[name][0] for name in ("boxes", "scores", "masks", "count")}
    return candidates(0, first, canvas, replace(DETECTOR))


def _records(image_id: int, detections: Detections, vocabulary: Vocabulary) -> list[Document]:
    """One record per candidate and class with a score worth counting: the whole class vector is evaluated."""
    records: list[Document] = []
    for box, probs, mask in zip(detections.boxes, detections.probs, detections.masks, strict=True):
        x1, y1, x2, y2 = (float(side) for side in box)
        where = {"image_id": image_id, "bbox": [x1, y1, x2 - x1, y2 - y1], "segmentation": mask.json()}
        records += [
            {**where, "category_id": vocabulary.category_ids[column], "score": float(probs[column])}
            for column in np.flatnonzero(probs >= DETECTOR.th_det)
        ]
    return records


def _coco(
    truth: COCO, results: list[Document], kind: str, image_ids: list[int], category_ids: list[int]
) -> tuple[float, float]:
    if not results:
        return 0.0, 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        # loadRes writes into the records it is given
        found = truth.loadRes(json.loads(json.dumps(results)))
        evaluation = COCOeval(truth, found, kind)
        evaluation.params.imgIds = image_ids
        evaluation.params.catIds = category_ids
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])

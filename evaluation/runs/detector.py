"""The detector on annotated images: COCO metrics, and the reliability of its scores as probabilities."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from pycocotools.coco import COCO

from dualtrack.errors import InvalidDataset
from evaluation.data.dataset import Document
from evaluation.metrics.coco import coco_figures
from evaluation.metrics.reliability import Outcomes, calibration_error, join, judge, reliability_table
from evaluation.metrics.strata import group_by_field
from service.inference.repository.manifest import ModelClass
from service.media.stream import open_known
from service.pipeline.categories.tables import category_table
from service.pipeline.categories.vocabulary import Vocabulary, match_vocabulary
from service.pipeline.detection.bundled import candidates
from service.pipeline.features.batches import detector_batch
from service.pipeline.networks import Networks
from service.pipeline.parameters.params import DetectorParams
from service.structures.arrays import F64, U8
from service.structures.canvas import fit
from service.structures.detections import Detections

DETECTOR = DetectorParams(th_det=0.05, max_per_frame=50)
"""COCO's metric needs low-scoring detections, too."""
LOWEST_SCORE = 0.01
"""Minimum score of a class to be evaluated: every class of a candidate's vector is a result of its own."""


@dataclass(frozen=True)
class Found:
    """Results of the detector on the images: COCO `records`, and `outcomes` by image id."""

    truth: COCO
    records: list[Document]
    outcomes: dict[int, Outcomes]

    def figures(self, image_ids: Sequence[int]) -> Document:
        """`images`, the figures of `coco_figures`, `ECE` and its table `reliability`."""
        table = reliability_table(join([self.outcomes[image_id] for image_id in image_ids]))
        return {
            "images": len(image_ids),
            **coco_figures(self.truth, self.records, image_ids),
            "ECE": calibration_error(table),
            "reliability": table,
        }


async def detector_metrics(path: Path, networks: Networks, limit: int | None = None, by: str | None = None) -> Document:
    """Evaluate the detector on a COCO-format file next to `images/`.

    Args:
        path: the file.
        networks: containing the detector.
        limit: maximum number of images; the first ones are used.
        by: text field of the image entries; adds `strata`, the same metrics per value of the field.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
    image_ids = sorted(truth.getImgIds())[:limit]
    groups = group_by_field(image_ids, [truth.imgs[i] for i in image_ids], by) if by else {}
    found = await _detect_all(truth, path.parent / "images", image_ids, networks)
    strata = {value: found.figures(group) for value, group in groups.items()}
    return {**found.figures(image_ids), **({"strata": strata} if strata else {})}


async def _detect_all(truth: COCO, folder: Path, image_ids: Sequence[int], networks: Networks) -> Found:
    vocabulary = _vocabulary(networks.manifest.classes, {c["id"]: c["name"] for c in truth.dataset["categories"]})
    found = Found(truth, [], {})
    for image_id in image_ids:
        frame = read_image(folder / truth.imgs[image_id]["file_name"])
        detections = vocabulary.project(await _detect(frame, networks), 0)
        found.records.extend(_records(image_id, detections, vocabulary))
        found.outcomes[image_id] = _outcomes(detections, vocabulary, truth.imgToAnns[image_id])
    return found


def read_image(path: Path) -> U8:
    """An image file as (H, W, 3) uint8 RGB."""
    if not path.is_file():
        raise InvalidDataset(f"image: expected {path}, which does not exist", code="no-image-file")
    with open_known(path) as container:
        frame: U8 = next(container.decode(video=0)).to_ndarray(format="rgb24")
    return frame


def _vocabulary(classes: tuple[ModelClass, ...], categories: Mapping[int, str]) -> Vocabulary:
    """Match names as COCO's if both `bird` and `mouse` occur, else as those of YouTube-VIS 2019."""
    coco = {"bird", "mouse"} <= set(categories.values())
    return match_vocabulary(classes, categories, category_table("coco").renames if coco else None)


async def _detect(frame: U8, networks: Networks) -> Detections:
    height, width = frame.shape[:2]
    canvas = fit((height, width), short_side=DETECTOR.short_side, long_side=DETECTOR.long_side)
    resized = cv2.resize(frame, canvas.network_hw[::-1], interpolation=cv2.INTER_AREA)
    th_det, most = DETECTOR.th_det, DETECTOR.max_per_frame
    inputs = detector_batch([resized.astype(np.uint8)], canvas, th_det=th_det, max_per_frame=most)
    outputs = await networks.run("mask_rcnn", inputs)
    first = {name: outputs[name][0] for name in ("boxes", "scores", "masks", "count")}
    return candidates(0, first, canvas, replace(DETECTOR))


def _records(image_id: int, detections: Detections, vocabulary: Vocabulary) -> list[Document]:
    """One record per candidate and class of sufficient score: the whole class vector is evaluated."""
    records: list[Document] = []
    for box, probs, mask in zip(_xywh(detections), detections.probs, detections.masks, strict=True):
        where = {"image_id": image_id, "bbox": box.tolist(), "segmentation": mask.json()}
        records += [
            {**where, "category_id": vocabulary.category_ids[column], "score": float(probs[column])}
            for column in np.flatnonzero(probs >= LOWEST_SCORE)
        ]
    return records


def _outcomes(detections: Detections, vocabulary: Vocabulary, annotations: Sequence[Document]) -> Outcomes:
    """Outcomes of the candidates whose best class has a sufficient score."""
    sure = detections.select(np.flatnonzero(detections.scores >= DETECTOR.th_det).astype(np.int64))
    labels = [vocabulary.category_ids[label] for label in sure.labels]
    return judge(sure.scores.astype(np.float64), labels, _xywh(sure), annotations)


def _xywh(detections: Detections) -> F64:
    """(N, 4) x y width height, as in COCO."""
    boxes = detections.boxes.astype(np.float64)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)

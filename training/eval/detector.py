"""COCO AP of the `lite` detector: `python -m training.eval.detector --data DIR --weights FILE`.

Every box is scored with its full class vector, as in the pipeline; metrics are averaged over the categories that occur.
"""

import argparse
import contextlib
import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from safetensors.torch import load_file

from export.models.lite_detector import MASK_SIDE, LiteMaskRcnn
from export.repository.classes import COCO_NAMES
from training.data.samples import LONG_SIDE, SHORT_SIDE

Array = NDArray[Any]
Record = dict[str, Any]
Detected = tuple[Array, Array, list[Record]]
"""Boxes (N, 4), scores (N, K), masks as RLE."""
PAD_RGB = (124, 116, 104)
LOWEST_SCORE = 0.01
"""Minimum score of a class; the best class of a box is above the graph's own threshold."""
FIGURES = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")


def network_frame(image: Array) -> tuple[Array, tuple[int, int], float]:
    """RGB image -> frame resized keeping its aspect, padded to multiples of 32; its (h, w) unpadded; the scale."""
    height, width = image.shape[:2]
    scale = min(SHORT_SIDE / min(height, width), LONG_SIDE / max(height, width))
    h, w = round(height * scale), round(width * scale)
    frame = np.full((-(-h // 32) * 32, -(-w // 32) * 32, 3), PAD_RGB, np.uint8)
    frame[:h, :w] = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return frame, (h, w), scale


def paste(mask: Array, box: Array, hw: tuple[int, int]) -> Array:
    """Mask probabilities (28, 28) of a box x1 y1 x2 y2 -> bool (H, W)."""
    x1, y1, x2, y2 = box
    sx, sy = MASK_SIDE / max(x2 - x1, 1e-3), MASK_SIDE / max(y2 - y1, 1e-3)
    # sample i of the grid covers [x1 + i / sx, x1 + (i + 1) / sx]; cv2's coordinates are pixel centers
    matrix = np.array([[sx, 0, (0.5 - x1) * sx - 0.5], [0, sy, (0.5 - y1) * sy - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pasted: Array = cv2.warpAffine(mask, matrix, (hw[1], hw[0]), flags=flags) > 0.5
    return pasted


def detect(model: LiteMaskRcnn, image: Array) -> Detected:
    """RGB image -> boxes (N, 4) in its pixels, scores (N, K), masks as RLE."""
    frame, hw, scale = network_frame(image)
    with torch.no_grad():
        boxes, scores, masks, count = model(torch.from_numpy(frame)[None], torch.tensor([hw], dtype=torch.int32))
    number = int(count)
    found = (boxes[0, :number] / scale).numpy()
    rles = [
        coco.encode(np.asfortranarray(paste(mask, box, image.shape[:2]), dtype=np.uint8))
        for mask, box in zip(masks[0, :number].numpy(), found, strict=True)
    ]
    return found, scores[0, :number].numpy(), rles


def records(image_id: int, detected: tuple[Array, Array, list[dict[str, Any]]], ids: list[int]) -> list[dict[str, Any]]:
    """COCO results of an image: one per box and class with a score above `LOWEST_SCORE`."""
    boxes, scores, rles = detected
    return [
        {
            "image_id": image_id,
            "category_id": ids[label],
            "score": float(scores[number, label]),
            "bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()],
            "segmentation": rles[number],
        }
        for number, box in enumerate(boxes)
        for label in np.flatnonzero(scores[number, : len(ids)] > LOWEST_SCORE)
    ]


def evaluate(model: LiteMaskRcnn, annotations: Path) -> dict[str, float]:
    """`box_AP, box_AP50, ..., mask_AP, ...` in percent on a COCO file next to `images/`."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
    by_name = {category["name"]: category["id"] for category in truth.dataset["categories"]}
    ids = [by_name.get(name, -1) for name in COCO_NAMES]
    results: list[Record] = []
    for image_id, image in sorted(truth.imgs.items()):
        bgr = cv2.imread(str(annotations.parent / "images" / image["file_name"]))
        results += records(image_id, detect(model, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)), ids)
    occurring = sorted({item["category_id"] for item in truth.dataset["annotations"]})
    figures: dict[str, float] = {}
    for kind, prefix in (("bbox", "box"), ("segm", "mask")):
        # without "bbox", COCO uses the mask's area, as in its annotations
        own = [{k: v for k, v in r.items() if k != ("segmentation" if kind == "bbox" else "bbox")} for r in results]
        values = _coco_figures(truth, own, kind, occurring)
        # COCO reports -1 if there is no object of that size
        figures |= {f"{prefix}_{name}": v for name, v in zip(FIGURES, values, strict=True) if v >= 0}
    return figures


def _coco_figures(truth: COCO, results: list[Record], kind: str, categories: list[int]) -> list[float]:
    if not results:
        return [0.0] * len(FIGURES)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(results), kind)
        evaluation.params.catIds = categories
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [round(100 * float(value), 2) for value in evaluation.stats[: len(FIGURES)]]


def main() -> None:
    """Entry point of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that contains coco_small")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    model = LiteMaskRcnn()
    model.load_state_dict(load_file(given.weights))
    print(json.dumps(evaluate(model.eval(), given.data / "coco_small" / "instances_val.json"), indent=1))


if __name__ == "__main__":
    main()

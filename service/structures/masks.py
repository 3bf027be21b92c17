"""Masks as COCO run-length encodings, by pycocotools.

A mask lies in pixels of the frame it belongs to; the size travels with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco

from service.structures.arrays import F32, Bool


@dataclass(frozen=True, slots=True)
class Rle:
    """One binary mask, compressed.

    Attributes:
        size_hw: height and width of the frame in pixels.
        counts: COCO's compressed run lengths (column-major), as `pycocotools` writes them.
    """

    size_hw: tuple[int, int]
    counts: bytes

    def coco(self) -> dict[str, object]:
        """The dict that pycocotools takes."""
        return {"size": list(self.size_hw), "counts": self.counts}

    def json(self) -> dict[str, object]:
        """The dict that COCO and YouTube-VIS results hold: `counts` as str."""
        return {"size": list(self.size_hw), "counts": self.counts.decode("ascii")}


def encode(mask: Bool) -> Rle:
    """Mask (H, W) bool -> RLE."""
    height, width = mask.shape
    packed = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return Rle((int(height), int(width)), bytes(packed["counts"]))


def decode(rle: Rle) -> Bool:
    """RLE -> mask (H, W) bool."""
    decoded: Bool = coco.decode(rle.coco()).astype(np.bool_)
    return decoded


def from_json(value: dict[str, object]) -> Rle:
    """The inverse of `Rle.json`."""
    size, counts = value["size"], value["counts"]
    if not isinstance(size, list | tuple) or len(size) != 2:
        raise ValueError(f"rle.size: expected [height, width], got {size!r}")
    if not isinstance(counts, str | bytes):
        raise TypeError(f"rle.counts: expected a compressed string, got {type(counts).__name__}")
    return Rle((int(size[0]), int(size[1])), counts.encode("ascii") if isinstance(counts, str) else counts)


def area(rle: Rle) -> int:
    """Number of pixels set."""
    return int(coco.area(rle.coco()))


def bounding_box(rle: Rle) -> F32:
    """Tight box (4,) float32, x1 y1 x2 y2 in pixels, continuous edges; zeros for an empty mask."""
    x, y, w, h = coco.toBbox(rle.coco())
    return np.array([x, y, x + w, y + h], np.float32)


def iou_matrix(a: Sequence[Rle], b: Sequence[Rle]) -> F32:
    """Pairwise mask IoU, N x M masks of one frame size -> (N, M) float32. Two empty masks give 0."""
    if not a or not b:
        return np.zeros((len(a), len(b)), np.float32)
    iou = coco.iou([m.coco() for m in a], [m.coco() for m in b], [0] * len(b))
    return np.nan_to_num(np.asarray(iou, np.float32), nan=0.0)

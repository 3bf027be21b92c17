"""The fake's detector: an object is a connected patch of one palette color that is not the background's.

Features are downscaled images: channels 0 to 2 are red, green and blue in [0, 1], the others 0.
"""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from service.inference.client import Tensors
from service.inference.specs import MASK_SIDE, ModelDims
from service.structures.arrays import F32, U8, Bool

PALETTE: tuple[tuple[int, int, int], ...] = (
    (220, 40, 40),
    (40, 200, 40),
    (40, 60, 220),
    (230, 220, 40),
    (220, 40, 220),
    (40, 220, 220),
)
"""Color of class k, RGB; further classes are never found."""
BACKGROUND_DISTANCE = 60.0
"""RGB distance from the background above which a pixel belongs to an object; larger than coding artifacts."""
SCORE_WIDTH = 120.0
"""RGB distance at which the score of a class is 1/e."""
BEST_SCORE = 0.95
MIN_AREA = 24
"""Minimum area of a patch, px; smaller ones are noise."""


def mask_rcnn(dims: ModelDims, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
    """Patches of every frame, the largest first; slots beyond `count` and masks that are not requested are zeros."""
    frames, sizes = inputs["frames"], inputs["hw"]
    batch, slots = len(frames), dims.slots
    boxes = np.zeros((batch, slots, 4), np.float32)
    scores = np.zeros((batch, slots, dims.classes), np.float32)
    masks = np.zeros((batch, slots, MASK_SIDE, MASK_SIDE), np.float32)
    count = np.zeros((batch, 1), np.int32)
    for image, (height, width) in enumerate(sizes):
        frame = frames[image, :height, :width]
        found = _patches(frame)[:slots]
        count[image] = len(found)
        for slot, patch in enumerate(found):
            boxes[image, slot] = _box(patch)
            scores[image, slot] = _scores(frame[patch].mean(axis=0), dims.classes)
            wanted = scores[image, slot].max() >= inputs["th_det"][image] and slot < inputs["max_per_frame"][image]
            if wanted:
                masks[image, slot] = _grid(patch, boxes[image, slot])
    found_here = {"boxes": boxes, "scores": scores, "masks": masks, "count": count}
    return {**found_here, **pixel_features(dims, inputs)} if dims.shared_trunk else found_here


def pixel_features(dims: ModelDims, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
    """Mean color of every cell of 4 and 8 px."""
    frames = inputs["frames"]
    return {"f4": _pooled(frames, 4, dims.f4_channels), "f8": _pooled(frames, 8, dims.f8_channels)}


def _pooled(frames: U8, stride: int, channels: int) -> F32:
    batch, height, width, _ = frames.shape
    cells = frames.reshape(batch, height // stride, stride, width // stride, stride, 3)
    features = np.zeros((batch, channels, height // stride, width // stride), np.float32)
    features[:, :3] = cells.mean(axis=(2, 4), dtype=np.float32).transpose(0, 3, 1, 2) / 255
    return features


def _patches(frame: U8) -> list[Bool]:
    """Masks of the frame's objects, the largest first."""
    pixels = frame.astype(np.float32)
    background = np.median(pixels.reshape(-1, 3), axis=0)
    nearest = np.stack([_distance(pixels, np.array(color, np.float32)) for color in PALETTE]).argmin(axis=0)
    nearest[_distance(pixels, background) < BACKGROUND_DISTANCE] = -1
    found: list[Bool] = []
    for color in range(len(PALETTE)):
        count, labels = cv2.connectedComponents((nearest == color).astype(np.uint8), connectivity=4)
        found += [labels == number for number in range(1, count)]
    found = [patch for patch in found if patch.sum() >= MIN_AREA]
    return sorted(found, key=lambda patch: -int(patch.sum()))


def _distance(pixels: F32, color: F32) -> F32:
    distance: F32 = np.linalg.norm(pixels - color, axis=-1)
    return distance


def _box(patch: Bool) -> F32:
    rows, columns = np.flatnonzero(patch.any(axis=1)), np.flatnonzero(patch.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def _scores(color: F32, classes: int) -> F32:
    distances = np.linalg.norm(np.array(PALETTE, np.float32)[:classes] - color, axis=1)
    scores = np.zeros(classes, np.float32)
    scores[: len(distances)] = BEST_SCORE * np.exp(-((distances / SCORE_WIDTH) ** 2))
    return scores


def _grid(patch: Bool, box: F32) -> F32:
    """The patch's mask in its box, in the form of Mask R-CNN's grid."""
    x1, y1, x2, y2 = box.astype(int)
    crop = patch[y1:y2, x1:x2].astype(np.float32)
    grid: F32 = cv2.resize(crop, (MASK_SIDE, MASK_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return grid

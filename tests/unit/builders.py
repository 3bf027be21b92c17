"""Small values for tests: candidates, frames of candidates, tubelets, all on a 40 x 60 frame."""

from collections.abc import Iterable

import numpy as np

from service.structures.detections import Candidate, Detections
from service.structures.masks import Rle, encode
from service.structures.tubelets import LabeledTubelet, Tubelet

HW = (40, 60)


def mask(x: int, y: int = 5, size: int = 10) -> Rle:
    image = np.zeros(HW, np.bool_)
    image[max(y, 0) : y + size, max(x, 0) : x + size] = True
    return encode(image)


def box(x: int, y: int = 5, size: int = 10) -> np.ndarray:
    return np.array([x, y, x + size, y + size], np.float32)


def frame(t: int, *found: tuple[int, list[float]], classes: int = 3) -> Detections:
    """`found`: x of a 10-px square and its class vector."""
    probs = np.array([p for _, p in found], np.float32).reshape(len(found), classes)
    boxes = np.array([box(x) for x, _ in found], np.float32).reshape(len(found), 4)
    return Detections(t, boxes, probs, tuple(mask(x) for x, _ in found))


def candidate(t: int, x: int, probs: list[float]) -> Candidate:
    return frame(t, (x, probs), classes=len(probs)).candidate(0)


def tube(frames: Iterable[int], x: int = 0, length: int = 8, probs: tuple[float, ...] = (0.8, 0.1, 0.1)) -> Tubelet:
    there = set(frames)
    boxes = np.array([box(x) if t in there else np.zeros(4) for t in range(length)], np.float32)
    scores = np.array([float(t in there) for t in range(length)], np.float32)
    masks = tuple(mask(x) if t in there else None for t in range(length))
    return Tubelet(candidate(min(there, default=0), x, list(probs)), masks, boxes, scores)


def labeled(tubelet: Tubelet, score: float, label: int = 0) -> LabeledTubelet:
    return LabeledTubelet(tubelet, label, score)

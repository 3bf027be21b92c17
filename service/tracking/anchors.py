"""Anchors of the Siamese RPN in the virtual 255-px search window (docs/method.md, section 5.1; pysot's numbers).

Stride 8, scale 8, ratios h/w 0.33, 0.5, 1, 2, 3: five anchors per cell of the 25 x 25 response. Boxes here are
center x, center y, width, height relative to the center of the window.
"""

from functools import cache

import numpy as np

from service.structures.arrays import F32

RESPONSE_SIDE = 25
ANCHORS_PER_CELL = 5
ANCHORS = RESPONSE_SIDE * RESPONSE_SIDE * ANCHORS_PER_CELL
"""3125; anchor (row, column, a) has index (row * 25 + column) * 5 + a."""
EXEMPLAR, SEARCH = 127, 255
"""Virtual sides of the template and search windows, px."""
STRIDE, SCALE = 8, 8
RATIOS = (0.33, 0.5, 1.0, 2.0, 3.0)


def anchor_sizes() -> F32:
    """(5, 2) width and height: (104, 32) (88, 40) (64, 64) (40, 80) (32, 96)."""
    base = [(int(np.sqrt(STRIDE**2 / ratio)), ratio) for ratio in RATIOS]
    return np.array([(width * SCALE, int(width * ratio) * SCALE) for width, ratio in base], np.float32)


@cache
def anchor_grid() -> F32:
    """(3125, 4) center x, center y, width, height; index (row * 25 + column) * 5 + a. Read-only."""
    offset = (np.arange(RESPONSE_SIDE) - RESPONSE_SIDE // 2) * STRIDE
    y, x = np.meshgrid(offset, offset, indexing="ij")
    sizes = anchor_sizes()
    centers = np.repeat(np.stack([x, y], axis=2).reshape(-1, 2), len(sizes), axis=0)
    return np.concatenate([centers, np.tile(sizes, (RESPONSE_SIDE**2, 1))], axis=1).astype(np.float32)


def decode(anchors: F32, deltas: F32) -> F32:
    """Anchors (M, 4) or (N, M, 4) and deltas dx, dy, dw, dh (N, M, 4) -> boxes cx, cy, w, h (N, M, 4)."""
    centers = deltas[..., :2] * anchors[..., 2:] + anchors[..., :2]
    # avoid overflow for outputs of a bad network: at most a factor of 54
    sizes = np.exp(np.clip(deltas[..., 2:], -4, 4)) * anchors[..., 2:]
    return np.concatenate([centers, sizes], axis=-1).astype(np.float32)


def encode(anchors: F32, boxes: F32) -> F32:
    """The inverse of `decode`."""
    centers = (boxes[..., :2] - anchors[:, :2]) / anchors[:, 2:]
    return np.concatenate([centers, np.log(boxes[..., 2:] / anchors[:, 2:])], axis=-1).astype(np.float32)

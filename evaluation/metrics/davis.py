"""The DAVIS measures of a mask: region similarity J and boundary accuracy F.

Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016, as the
official tool (davis2017-evaluation, metrics.py, BSD-3) computes them. trackeval has a copy, but its F needs
scikit-image for a single disk; `tests/unit/evaluation/test_davis.py` has reference values from that copy.
"""

import cv2
import numpy as np

from service.structures.arrays import Bool

BOUND_TH = 0.008
"""Boundary tolerance, as a fraction of the image diagonal."""


def region_similarity(truth: Bool, found: Bool) -> float:
    """J: IoU of two masks (H, W); 1 if both are empty."""
    union = int((truth | found).sum())
    return int((truth & found).sum()) / union if union else 1.0


def boundary_accuracy(truth: Bool, found: Bool) -> float:
    """F: harmonic mean of the boundaries' precision and recall; masks (H, W).

    A boundary pixel is correct if the other boundary is within `BOUND_TH`. 1 if both masks are empty, 0 if one is.
    """
    wanted, got = _boundary(truth), _boundary(found)
    if not wanted.any() or not got.any():
        return float(wanted.any() == got.any())
    radius = int(np.ceil(BOUND_TH * np.hypot(*truth.shape)))
    precision = float((got & _dilated(wanted, radius)).sum() / got.sum())
    recall = float((wanted & _dilated(got, radius)).sum() / wanted.sum())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _boundary(mask: Bool) -> Bool:
    """Pixels (H, W) that differ from the next one right, below or diagonally (seg2bmap of the Berkeley benchmark)."""
    # pixels of the last row and column are only compared along it, the corner pixel not at all
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    right, below, diagonal = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    boundary: Bool = (mask ^ right) | (mask ^ below) | (mask ^ diagonal)
    return boundary


def _dilated(boundary: Bool, radius: int) -> Bool:
    """The pixels (H, W) within `radius` of a boundary."""
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x * x + y * y <= radius * radius).astype(np.uint8)
    return cv2.dilate(boundary.astype(np.uint8), disk).astype(np.bool_)

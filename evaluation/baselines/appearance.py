"""Appearance features of detections for DeepSORT, as unit vectors."""

import numpy as np

from evaluation.baselines.deepsort import Appearance
from evaluation.data.remembered import Remembered
from service.pipeline.run import Run
from service.structures.arrays import F32
from service.structures.detections import Detections
from service.structures.masks import decode
from service.tracking.windows import crop_mask

FEATURE_STRIDE = 4


async def appearance(kind: Appearance, detections: Detections, raw: Detections, run: Run, kept: Remembered) -> F32:
    """Appearances of one frame's candidates, (N, C), L2-normalized.

    `f4`: mean of the trackers' feature map over the mask. `box_head`: the detector's whole class vector, the output of
    its box head; `lite` has a dense head, whose features belong to locations rather than boxes. `both`: the two
    concatenated with equal weight.

    Args:
        kind: one of these.
        detections: calibrated candidates.
        raw: all candidates of the frame before calibration.
        run: the video.
        kept: means of f4 computed so far; updated.
    """
    parts = []
    if kind != "box_head":
        parts.append(await _mean_features(detections, run, kept))
    if kind != "f4":
        vectors = dict(zip((mask.counts for mask in raw.masks), raw.probs, strict=True))
        rows = [vectors[mask.counts] for mask in detections.masks]
        parts.append(_unit(np.stack(rows)) if rows else np.zeros((0, raw.probs.shape[1]), np.float32))
    return _unit(np.concatenate(parts, axis=1))


async def _mean_features(detections: Detections, run: Run, kept: Remembered) -> F32:
    """L2-normalized mean of f4 over each mask: (N, C4)."""
    f4 = (await kept.features.get(detections.frame)).f4[0]
    keys = [(detections.frame, mask.counts) for mask in detections.masks]
    for index, key in enumerate(keys):
        if key not in kept.appearances:
            kept.appearances[key] = _mean_feature(f4, index, detections, run)
    return np.stack([kept.appearances[key] for key in keys]) if keys else np.zeros((0, f4.shape[0]), np.float32)


def _mean_feature(f4: F32, index: int, detections: Detections, run: Run) -> F32:
    height, width = (side // FEATURE_STRIDE for side in run.canvas.padded_hw)
    scale_y, scale_x = (n / f for n, f in zip(run.canvas.network_hw, run.canvas.frame_hw, strict=True))
    side = max(height, width)
    window = np.array([0, 0, side / scale_x, side / scale_y], np.float32) * FEATURE_STRIDE
    weight = crop_mask(decode(detections.masks[index]), window, side)[:height, :width]
    total = float(weight.sum())
    mean = (f4 * weight).sum(axis=(1, 2)) / total if total > 0 else f4.mean(axis=(1, 2))
    return _unit(mean[None])[0]


def _unit(rows: F32) -> F32:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: F32 = (rows / np.maximum(norms, 1e-6)).astype(np.float32)
    return unit

"""Converts frames of the video to inputs of the networks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.structures.arrays import U8
from service.structures.canvas import Canvas

PADDING_RGB = (124, 116, 104)
"""ImageNet's mean color: the padding is close to 0 after normalization."""


def detector_batch(
    frames: Sequence[U8], canvas: Canvas, *, th_det: float, max_per_frame: int
) -> dict[str, NDArray[np.generic]]:
    """Inputs of `mask_rcnn`: a network batch, and the thresholds of slots that get a mask."""
    count = len(frames)
    wanted = {
        "th_det": np.full((count, 1), th_det, np.float32),
        "max_per_frame": np.full((count, 1), max_per_frame, np.int32),
    }
    return {**network_batch(frames, canvas), **wanted}


def features_batch(frames: Sequence[U8], canvas: Canvas) -> dict[str, NDArray[np.generic]]:
    """Inputs of `mask_rcnn` if only features are needed: with an unreachable threshold, no masks are computed."""
    return detector_batch(frames, canvas, th_det=2.0, max_per_frame=0)


def network_batch(frames: Sequence[U8], canvas: Canvas) -> dict[str, NDArray[np.generic]]:
    """Frames (h, w, 3) uint8 RGB of `canvas.network_hw` -> inputs `frames` (B, H, W, 3) and `hw` (B, 2)."""
    height, width = canvas.network_hw
    batch = np.empty((len(frames), *canvas.padded_hw, 3), np.uint8)
    batch[:, height:] = PADDING_RGB
    batch[:, :height, width:] = PADDING_RGB
    for slot, frame in zip(batch, frames, strict=True):
        slot[:height, :width] = frame
    return {"frames": batch, "hw": np.tile(np.array([[height, width]], np.int32), (len(frames), 1))}

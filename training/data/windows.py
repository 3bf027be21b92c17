"""Windows of the pixel embedding: a square around each object, or the whole frame (decision record 20)."""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from export.models.pixel_embedding import STRIDE, TILE
from service.inference.specs import LITE, ModelDims
from training.data.boxes import noisy

Windows = Literal["object", "frame"]
CONTEXT, MIN_WINDOW = 1.5, 32.0
DRIFT = (0.4, 0.3)
"""Shift relative to the object's size, and scale as an exponent per side."""


def dims_of(kind: Windows, hw: tuple[int, int]) -> ModelDims:
    """Dimensions of a head for windows of objects, or of whole frames of `hw` px with about one sample per cell of f4.

    The head's map is square, in multiples of two tiles: on a wide frame, samples are denser vertically than
    horizontally, and none lie outside. The banks hold the same fraction of a frame's map as of an object's.
    """
    if kind == "object":
        return LITE
    unit = 2 * TILE
    side = round((hw[0] * hw[1]) ** 0.5 / STRIDE / unit) * unit
    return replace(LITE, window=side, bank=LITE.bank * side**2 // LITE.window**2)


def pixel_windows(boxes: Tensor) -> Tensor:
    """Squares of 1.5 times the longer side, at least 32 px."""
    center = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (CONTEXT * (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True)).clamp(min=MIN_WINDOW) / 2
    return torch.cat([center - half, center + half], 1)


def frame_windows(count: int, hw: tuple[int, int]) -> Tensor:
    """The whole frame, `count` times: (N, 4) px."""
    return torch.tensor([[0.0, 0.0, hw[1], hw[0]]]).repeat(count, 1)


def trained_windows(
    kind: Windows, boxes: Tensor, hw: tuple[int, int], noise: tuple[float, float], drift_share: float = 0.0
) -> Tensor:
    """Windows of a training step: around boxes perturbed by `noise` (shift, scale), or the whole frame.

    A fraction `drift_share` of the boxes is perturbed by `DRIFT`, like drifted tracks.
    """
    if kind == "frame":
        return frame_windows(len(boxes), hw)
    drifted = torch.rand(len(boxes), 1) < drift_share
    return pixel_windows(torch.where(drifted, noisy(boxes, *DRIFT), noisy(boxes, *noise)))

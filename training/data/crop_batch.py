"""Batches of crops, for a training step of the detector."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from training.data.samples import Crop


class CropBatch(NamedTuple):
    """B crops with N objects in total.

    Attributes:
        images: (B, H, W, 3) uint8 RGB.
        boxes: (N, 4) float32 px.
        masks: (N, H, W) uint8.
        labels: (N,) int64.
        owner: (N,) int64, index of the object's crop.
        labeled_ytvis: (B,) bool, see `Crop`.
    """

    images: Tensor
    boxes: Tensor
    masks: Tensor
    labels: Tensor
    owner: Tensor
    labeled_ytvis: Tensor

    def to(self, device: torch.device) -> "CropBatch":
        """The batch on a device."""
        return CropBatch(*(part.to(device, non_blocking=True) for part in self))


def join(crops: Sequence[Crop]) -> CropBatch:
    """Combine crops of the same size."""
    counts = torch.tensor([len(crop.labels) for crop in crops])
    return CropBatch(
        torch.from_numpy(np.stack([crop.image for crop in crops])),
        *(torch.from_numpy(np.concatenate([getattr(c, what) for c in crops])) for what in ("boxes", "masks", "labels")),
        torch.repeat_interleave(torch.arange(len(crops)), counts),
        torch.tensor([crop.labeled_ytvis for crop in crops]),
    )

"""Batches of sequences of equal length, for a training step of the trackers."""

from collections.abc import Sequence as SequenceOf
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from training.data.boxes import boxes_of
from training.data.sequences import Sequence


class SequenceBatch(NamedTuple):
    """B sequences of L frames with N objects in total.

    Attributes:
        frames: (B, L, H, W, 3) uint8 RGB.
        masks: (L, N, H, W) uint8.
        boxes: (L, N, 4) float32, tight boxes of the masks, px; zeros where the object is not visible.
        visible: (L, N) bool.
        owner: (N,) int64, index of the object's sequence.
    """

    frames: Tensor
    masks: Tensor
    boxes: Tensor
    visible: Tensor
    owner: Tensor

    def to(self, device: torch.device) -> "SequenceBatch":
        """The batch on a device."""
        return SequenceBatch(*(part.to(device, non_blocking=True) for part in self))


def join(sequences: SequenceOf[Sequence]) -> SequenceBatch:
    """Combine sequences of equal length and size."""
    masks = torch.from_numpy(np.concatenate([sequence.masks for sequence in sequences], 1))
    counts = torch.tensor([sequence.masks.shape[1] for sequence in sequences])
    return SequenceBatch(
        torch.from_numpy(np.stack([sequence.frames for sequence in sequences])),
        masks,
        torch.stack([boxes_of(frame) for frame in masks]),
        torch.from_numpy(np.concatenate([sequence.visible for sequence in sequences], 1)),
        torch.repeat_interleave(torch.arange(len(sequences)), counts),
    )

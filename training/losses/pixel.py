"""Loss of the pixel embedding on a batch of sequences."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import roi_align

from export.models.trackers import Trackers
from training.data.sequence_batch import SequenceBatch
from training.data.windows import CONTEXT, Windows, trained_windows

HARDEST = 1024
"""Number of hardest samples in the cross entropy: a quarter of an object's window."""
GONE_WEIGHT = 0.5
"""Weight of a frame without the object, relative to one with it."""
DRIFT_SHARE = 0.2
"""Fraction of windows that have drifted off their object, as for a track that is about to be lost."""


def crop(masks: Tensor, windows: Tensor, side: int) -> Tensor:
    """Masks (N, H, W) sampled in their windows: (N, S, S)."""
    index = torch.arange(len(masks), dtype=torch.float32)[:, None]
    return roi_align(masks[:, None].float(), torch.cat([index, windows], 1), (side, side), 1.0, 2, aligned=True)[:, 0]


def pixel_loss(trackers: Trackers, f4: Tensor, batch: SequenceBatch, looks: Windows = "object") -> Tensor:
    """Loss over the frames after the reference, with predictions fed back as in inference.

    If an object is absent, the target is empty; frames with a mask below the minimum area are ignored.

    Args:
        trackers: the networks.
        f4: (B * L, C, h, w), frame t of sequence b at b * L + t.
        batch: the sequences.
        looks: kind of windows, around objects or whole frames.
    """
    masks, owner = batch.masks, batch.owner
    side, hw, length = trackers.pixel.dims.window, (masks.shape[2], masks.shape[3]), len(masks)
    windows = trained_windows(looks, batch.boxes[0], hw, (0.05, 0.1))
    given = _detector_like(crop(masks[0], windows, side))
    *bank, embedding = trackers.reference(f4, owner * length, windows, given)
    previous = (windows, embedding, given)
    total, count = torch.zeros(()), 0
    for t in range(1, length):
        there = batch.visible[t]
        boxes = torch.where(there[:, None], batch.boxes[t], _boxes(previous[0]))
        windows = trained_windows(looks, boxes, hw, (0.08, 0.12), DRIFT_SHARE)
        logits, embedding = trackers.pixel.logits(f4, owner * length + t, windows, tuple(bank), previous)
        if there.any():
            total = total + _mask_loss(logits[there], crop(masks[t], windows, side)[there])
            count += 1
        gone = (batch.boxes[t] == 0).all(1)
        if gone.any():
            total = total + GONE_WEIGHT * _hardest(logits[gone], torch.zeros_like(logits[gone]))
        previous = (windows, embedding, logits.sigmoid())
    return total / max(count, 1)


def _boxes(windows: Tensor) -> Tensor:
    center, size = (windows[:, :2] + windows[:, 2:]) / 2, (windows[:, 2:] - windows[:, :2]) / CONTEXT
    return torch.cat([center - size / 2, center + size / 2], 1)


def _detector_like(masks: Tensor) -> Tensor:
    """Half of the reference masks dilated or eroded by a sample or two, to imitate masks of the detector."""
    grown = F.max_pool2d(masks[:, None], 5, 1, 2)[:, 0]
    shrunk = -F.max_pool2d(-masks[:, None], 3, 1, 1)[:, 0]
    choice = torch.rand(len(masks), 1, 1)
    changed = torch.where(choice < 0.25, grown, torch.where(choice < 0.5, shrunk, masks))
    vanished = changed.flatten(1).amax(1) < 0.5
    return torch.where(vanished[:, None, None], masks, changed)


def _mask_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross entropy on the hardest samples, plus Dice."""
    probability = logits.sigmoid().flatten(1)
    overlap = 2 * (probability * target.flatten(1)).sum(1) + 1
    dice = 1 - overlap / (probability.sum(1) + target.flatten(1).sum(1) + 1)
    return _hardest(logits, target) + dice.mean()


def _hardest(logits: Tensor, target: Tensor) -> Tensor:
    pixels = F.binary_cross_entropy_with_logits(logits, target, reduction="none").flatten(1)
    return pixels.topk(min(HARDEST, pixels.shape[1]), dim=1).values.mean()

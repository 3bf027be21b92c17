"""Boxes of masks, and perturbed boxes that imitate a tracker's or detector's."""

import torch
from torch import Tensor
from torchvision.ops import masks_to_boxes


def boxes_of(masks: Tensor) -> Tensor:
    """Masks (N, H, W) -> tight boxes (N, 4); zeros for empty ones."""
    boxes = torch.zeros(len(masks), 4)
    masks = masks.bool()
    there = masks.flatten(1).any(1)
    if there.any():
        tight = masks_to_boxes(masks[there])
        boxes[there] = tight + torch.tensor([0.0, 0.0, 1.0, 1.0])
    return boxes


def noisy(boxes: Tensor, shift: Tensor | float, scale: float) -> Tensor:
    """Boxes shifted by up to `shift` of their size and scaled by up to exp(`scale`) per side."""
    size = boxes[:, 2:] - boxes[:, :2]
    center = (boxes[:, :2] + boxes[:, 2:]) / 2 + (torch.rand_like(size) * 2 - 1) * shift * size
    half = size / 2 * ((torch.rand_like(size) * 2 - 1) * scale).exp()
    return torch.cat([center - half, center + half], 1)


def scaled(boxes: Tensor, factor: Tensor) -> Tensor:
    """Boxes (N, 4) with both sides scaled by `factor` (N, 1) around their centers."""
    center, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2 * factor
    return torch.cat([center - half, center + half], 1)

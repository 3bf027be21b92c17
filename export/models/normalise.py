"""Frames from the host → input of a trunk."""

import torch
from torch import Tensor, nn

from export.models.nanodet import MEAN_BGR, SCALE_BGR

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, RGB in [0, 1], as used for all torchvision trunks."""


class ImageNetNormalise(nn.Module):
    """uint8 RGB (B, H, W, 3) -> float32 (B, 3, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        return (frames.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.deviation


class NanoDetNormalise(nn.Module):
    """uint8 RGB (B, H, W, 3) -> float32 (B, 3, H, W), BGR, as used for NanoDet-Plus."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean_bgr", torch.tensor(MEAN_BGR).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale_bgr", torch.tensor(SCALE_BGR).view(1, 3, 1, 1), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        return (frames.permute(0, 3, 1, 2).flip(1).float() - self.mean_bgr) * self.scale_bgr

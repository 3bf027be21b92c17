"""The second stage of the `lite` Mask R-CNN: RoIAlign over four levels and a class-agnostic mask head."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import roi_align

GRID = 14
"""Side of the RoIAlign grid; the mask has twice as many samples per side."""
STRIDES = (4, 8, 16, 32)
CANONICAL_LEVEL, CANONICAL_SIDE = 4, 224
"""Feature pyramid networks (Lin et al. 2017), eq. 1: boxes of 224 px are read from stride 16."""


def box_levels(boxes: Tensor) -> Tensor:
    """Boxes (R, 4) -> index of each box's pyramid level, 0 (stride 4) to 3, (R,)."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    side = area.clamp(min=0).sqrt()
    level = torch.floor(CANONICAL_LEVEL + torch.log2(side / CANONICAL_SIDE + 1e-8) + 1e-6)
    return (level.clamp(2, 5) - 2).long()


def align_levels(levels: Sequence[Tensor], rois: Tensor, grid: int, *, fixed_shapes: bool = False) -> Tensor:
    """RoIAlign of each box on its level.

    Args:
        levels: maps (B, C, H/s, W/s) at strides 4, 8, 16, 32.
        rois: (R, 5), image index and x1 y1 x2 y2 in pixels.
        grid: samples per side.
        fixed_shapes: read each box from all levels and keep one, so that no length depends on the data.

    Returns:
        (R, C, grid, grid).
    """
    index = box_levels(rois[:, 1:])
    if fixed_shapes:
        return _from_every_level(levels, rois, grid, index)
    out = levels[0].new_zeros((rois.shape[0], levels[0].shape[1], grid, grid))
    for number, (level, stride) in enumerate(zip(levels, STRIDES, strict=True)):
        chosen = torch.where(index == number)[0]
        # scattered immediately into a fixed shape, so that the exporter never sees the data-dependent length
        aligned = roi_align(level, rois[chosen], (grid, grid), 1 / stride, 2)
        out = torch.index_put(out, (chosen,), aligned.to(out.dtype))
    return out


def _from_every_level(levels: Sequence[Tensor], rois: Tensor, grid: int, index: Tensor) -> Tensor:
    first, *others = (
        roi_align(level, rois, (grid, grid), 1 / stride, 2) for level, stride in zip(levels, STRIDES, strict=True)
    )
    out: Tensor = first
    for number, aligned in enumerate(others, 1):
        out = torch.where((index == number)[:, None, None, None], aligned, out)
    return out


class MaskHead(nn.Module):
    """Boxes -> class-agnostic masks: a coarse mask from the box's own level, refined with stride-4 detail.

    The receptive field of Mask R-CNN's fully convolutional head is 9 of its 14 samples per side; a dilated layer
    extends it to the whole box. Detail is added as in PointRend (Kirillov et al. 2020), but everywhere instead of at
    uncertain points: features of the finest level at the mask's 28×28 samples correct the coarse logits.

    Args:
        neck_channels: channels of p3, p4, p5.
        c2_channels, c3_channels: channels of the trunk's stride-4 and stride-8 maps.
        width: channels of the head.
        detail: channels of the refinement's inputs.

    Attributes:
        fixed_shapes: see `align_levels`.
    """

    fixed_shapes = False

    def __init__(
        self, neck_channels: int, c2_channels: int, c3_channels: int, width: int = 96, detail: int = 32
    ) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(neck_channels, width, 1) for _ in range(3))
        self.edges = nn.Conv2d(c3_channels, width, 1)
        self.fine = nn.Conv2d(c2_channels, width, 1)
        self.fine_spatial = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.fine_project = nn.Conv2d(width, width, 1)
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(4))
        self.context = nn.Conv2d(width, width, 3, padding=3, dilation=3)
        self.up = nn.ConvTranspose2d(width, width, 2, stride=2)
        self.predict = nn.Conv2d(width, 1, 1)
        self.detail = nn.Conv2d(width, detail, 1)
        self.coarse = nn.Conv2d(width, detail, 1)
        self.refine = nn.Sequential(
            nn.Conv2d(2 * detail, 48, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(48, 48, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(48, 1, 1),
        )

    def pyramid(self, c2: Tensor, c3: Tensor, p3: Tensor, p4: Tensor, p5: Tensor) -> tuple[Tensor, ...]:
        """Maps of `width` channels at strides 4, 8, 16, 32.

        The taps have small values (batch norm is folded), so they are scaled to about unit variance.
        """
        levels = [conv(5 * p) for conv, p in zip(self.lateral, (p3, p4, p5), strict=True)]
        levels[0] = levels[0] + self.edges(16 * c3)
        coarse = F.interpolate(levels[0], scale_factor=2.0, mode="bilinear", align_corners=False)
        merged = F.relu(self.fine(8 * c2) + coarse)
        fine = self.fine_project(self.fine_spatial(merged)) + coarse
        return (fine, *levels)

    def forward(self, levels: Sequence[Tensor], rois: Tensor) -> Tensor:
        """Levels of `pyramid`, rois (R, 5) -> mask logits (R, 28, 28)."""
        x = align_levels(levels, rois, GRID, fixed_shapes=self.fixed_shapes)
        for conv in self.convs:
            x = F.relu(conv(x))
        x = F.relu(self.up(x + self.context(x)))
        fine = roi_align(self.detail(levels[0]), rois, (2 * GRID, 2 * GRID), 1 / STRIDES[0], 2).to(x.dtype)
        logits: Tensor = self.predict(x) + self.refine(torch.cat([F.relu(self.coarse(x)), F.relu(fine)], 1))
        return logits[:, 0]

"""Features shared by both trackers, computed by a trunk of their own (decision record 21)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.models.nanodet import ShuffleNetV2Trunk
from export.models.normalise import NanoDetNormalise

C2_CHANNELS, C3_CHANNELS, C4_CHANNELS = 24, 176, 352
C2_SCALE, C3_SCALE, C4_SCALE = 8.0, 16.0, 20.0
"""1 / standard deviation of the maps on photographs; they are small because batch norm is folded."""


class SharedFeatures(nn.Module):
    """Frames -> f8 (c3 and c4 combined) and f4 (c2 and f8 combined).

    The trunk has the detector's architecture without the last stage, and starts from its weights. Features that
    separate classes do not separate individuals, so it is trained with the trackers.

    Args:
        f4_channels, f8_channels: see `ModelDims`.
    """

    def __init__(self, f4_channels: int, f8_channels: int) -> None:
        super().__init__()
        self.normalise = NanoDetNormalise()
        self.trunk = ShuffleNetV2Trunk(1.5)
        del self.trunk.stages[2]
        self.f8 = nn.Conv2d(C3_CHANNELS + C4_CHANNELS, f8_channels, 1)
        self.down = nn.Conv2d(f8_channels, f4_channels, 1)
        self.fine = nn.Conv2d(C2_CHANNELS, f4_channels, 1)
        self.spatial = nn.Conv2d(f4_channels, f4_channels, 3, padding=1, groups=f4_channels)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, H, W, 3) uint8 RGB -> f4 (B, C4, H/4, W/4), f8 (B, C8, H/8, W/8)."""
        c2, c3, c4 = self.trunk(self.normalise(frames))
        f8 = self.f8(torch.cat([C3_SCALE * c3, C4_SCALE * _double(c4)], 1))
        mixed = self.fine(C2_SCALE * c2) + _double(self.down(f8))
        return mixed + self.spatial(F.relu(mixed)), f8


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)

"""Features that both trackers share, made of the detector's trunk and neck."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

C2_CHANNELS, C3_CHANNELS, C4_CHANNELS, P3_CHANNELS = 24, 176, 352, 128
C2_SCALE, C3_SCALE, C4_SCALE, P3_SCALE = 8.0, 16.0, 20.0, 5.0
"""1 / standard deviation of the taps on photographs: batch norm is folded away, so they are small."""


class SharedFeatures(nn.Module):
    """Taps -> f8 (c3, p3 and c4 joined; the best of the probed combinations) and f4 (c2 and f8 joined).

    Args:
        f4_channels, f8_channels: see `ModelDims`.
    """

    def __init__(self, f4_channels: int, f8_channels: int) -> None:
        super().__init__()
        self.f8 = nn.Conv2d(C3_CHANNELS + P3_CHANNELS + C4_CHANNELS, f8_channels, 1)
        self.down = nn.Conv2d(f8_channels, f4_channels, 1)
        self.fine = nn.Conv2d(C2_CHANNELS, f4_channels, 1)
        self.spatial = nn.Conv2d(f4_channels, f4_channels, 3, padding=1, groups=f4_channels)

    def forward(self, c2: Tensor, c3: Tensor, c4: Tensor, p3: Tensor) -> tuple[Tensor, Tensor]:
        """Taps at strides 4, 8, 16, 8 -> f4 (B, C4, H/4, W/4), f8 (B, C8, H/8, W/8)."""
        joined = torch.cat([C3_SCALE * c3, P3_SCALE * p3, C4_SCALE * _double(c4)], 1)
        f8 = self.f8(joined)
        mixed = self.fine(C2_SCALE * c2) + _double(self.down(f8))
        return mixed + self.spatial(F.relu(mixed)), f8


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)

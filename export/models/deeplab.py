"""Features of the `resnext` trackers: DeepLabv3+ (Chen et al. 2018) on a torchvision ResNet, decoder at stride 4."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import get_model
from torchvision.models.segmentation.deeplabv3 import ASPP

from export.models.normalise import ImageNetNormalise

TRUNK = "resnet101"
ASPP_RATES = (6, 12, 18)
ASPP_CHANNELS, LOW_LEVEL_CHANNELS = 256, 48
"""As in DeepLabv3+ with output stride 16."""


def _convolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


class DeepLabFeatures(nn.Module):
    """Graph `pixel_features`: f4 is the decoder's output, f8 combines layer 2 with the ASPP's context.

    Args:
        f4_channels, f8_channels: see `ModelDims`.
        trunk: a torchvision ResNet with bottlenecks.
    """

    def __init__(self, f4_channels: int, f8_channels: int, trunk: str = TRUNK) -> None:
        super().__init__()
        self.normalise = ImageNetNormalise()
        network = get_model(trunk, weights=None, replace_stride_with_dilation=[False, False, True])
        self.stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
        self.layers = nn.ModuleList([network.layer1, network.layer2, network.layer3, network.layer4])
        self.aspp = ASPP(2048, ASPP_RATES, ASPP_CHANNELS)
        self.low_level = _convolution(256, LOW_LEVEL_CHANNELS, 1)
        self.decoder = nn.Sequential(
            _convolution(ASPP_CHANNELS + LOW_LEVEL_CHANNELS, f4_channels, 3),
            _convolution(f4_channels, f4_channels, 3),
        )
        self.f8 = nn.Conv2d(512 + ASPP_CHANNELS, f8_channels, 1)

    def forward(self, frames: Tensor, hw: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, H, W, 3) uint8 RGB -> f4 (B, C4, H/4, W/4), f8 (B, C8, H/8, W/8).

        `hw` is part of the interface of all graphs that take frames; features do not need the unpadded size.
        """
        x = self.stem(self.normalise(frames))
        taps = []
        for layer in self.layers:
            x = layer(x)
            taps.append(x)
        context = self.aspp(taps[3])
        f8 = self.f8(torch.cat([taps[1], _enlarge(context, 2)], 1))
        f4 = self.decoder(torch.cat([self.low_level(taps[0]), _enlarge(context, 4)], 1))
        # the exporter would remove an unused input
        return f4 + 0.0 * hw.to(f4.dtype).sum(), f8


def _enlarge(x: Tensor, factor: int) -> Tensor:
    return F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)

"""Conversion between frames of the video and of the networks.

The host scales the frame so that its short side has a given length (unless the long side would be too long), and pads
it on the right and at the bottom to multiples of 32. Boxes are converted by scaling, without an offset.
"""

from dataclasses import dataclass

import numpy as np

from service.structures.arrays import F32

STRIDE = 32
"""Sides of a canvas are multiples of this, the coarsest stride of the networks."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """Sizes of one video's frames.

    Attributes:
        frame_hw: size of the original frame after rotation, pixels.
        network_hw: size of the frame resized for the networks, pixels.
    """

    frame_hw: tuple[int, int]
    network_hw: tuple[int, int]

    @property
    def padded_hw(self) -> tuple[int, int]:
        """Size of the canvas: `network_hw` rounded up to multiples of 32."""
        height, width = (-(-side // STRIDE) * STRIDE for side in self.network_hw)
        return height, width

    @property
    def scale_xyxy(self) -> F32:
        """(4,) float32: factor from boxes in the original frame to boxes in the network frame."""
        sy, sx = (n / f for n, f in zip(self.network_hw, self.frame_hw, strict=True))
        return np.array([sx, sy, sx, sy], np.float32)


def fit(frame_hw: tuple[int, int], *, short_side: int, long_side: int) -> Canvas:
    """The canvas for frames of `frame_hw`: short side scaled to `short_side`, long side at most `long_side`."""
    short, long = min(frame_hw), max(frame_hw)
    scale = min(short_side / short, long_side / long)
    height, width = (max(1, round(side * scale)) for side in frame_hw)
    return Canvas(frame_hw, (height, width))

"""Conversion of frames to an external detector's input, and of boxes back."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from service.pipeline.detection.description import InputRule
from service.structures.arrays import F32, U8


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Placement of a frame in the input.

    Attributes:
        input_hw: height and width of the input, pixels.
        scaled_hw: of the frame in it.
        offset_xy: of the frame's top left corner.
    """

    input_hw: tuple[int, int]
    scaled_hw: tuple[int, int]
    offset_xy: tuple[int, int]

    def to_frame(self, boxes: F32, frame_hw: tuple[int, int]) -> F32:
        """Boxes (N, 4) in the input -> in the frame, for any size `frame_hw` of it."""
        scale_y, scale_x = (frame / scaled for frame, scaled in zip(frame_hw, self.scaled_hw, strict=True))
        offset = np.array(self.offset_xy * 2, np.float32)
        moved: F32 = (boxes - offset) * np.array([scale_x, scale_y] * 2, np.float32)
        return moved


def place(frame_hw: tuple[int, int], rule: InputRule) -> Placement:
    """The placement of a frame of size `frame_hw`."""
    if rule.size is None:
        short = rule.short_side or min(frame_hw)
        scale = min(short / min(frame_hw), rule.long_side / max(frame_hw))
        scaled = _scaled(frame_hw, scale)
        rows, columns = (-(-side // rule.multiple) * rule.multiple for side in scaled)
        return Placement((rows, columns), scaled, (0, 0))
    if rule.fit == "stretch":
        return Placement(rule.size, rule.size, (0, 0))
    scale = min(size / side for size, side in zip(rule.size, frame_hw, strict=True))
    scaled = _scaled(frame_hw, scale)
    left_y, left_x = (size - side for size, side in zip(rule.size, scaled, strict=True))
    return Placement(rule.size, scaled, (left_x // 2, left_y // 2) if rule.align == "center" else (0, 0))


def input_of(frame: U8, placement: Placement, rule: InputRule) -> NDArray[Any]:
    """A frame (h, w, 3) uint8 RGB -> the input, a batch of one."""
    height, width = placement.scaled_hw
    left, top = placement.offset_xy
    picture = np.full((*placement.input_hw, 3), rule.pad, np.uint8)
    picture[top : top + height, left : left + width] = cv2.resize(frame, (width, height))
    if rule.channels == "BGR":
        picture = picture[:, :, ::-1]
    if rule.dtype == "uint8":
        values: NDArray[Any] = picture
    else:
        values = (picture.astype(np.float32) * np.float32(rule.scale) - np.array(rule.mean)) / np.array(rule.std)
    batch = values[None] if rule.layout == "NHWC" else values.transpose(2, 0, 1)[None]
    return np.ascontiguousarray(batch, dtype=rule.dtype)


def _scaled(hw: tuple[int, int], scale: float) -> tuple[int, int]:
    height, width = (max(1, round(side * scale)) for side in hw)
    return height, width

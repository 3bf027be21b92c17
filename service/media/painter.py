"""Draws the objects of a frame: translucent masks, boxes, labels. The cost depends on the size of the objects."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from service.structures.arrays import F32, U8, Bool

PALETTE = tuple(
    tuple(bytes.fromhex(color))
    for color in (
        "e6194b",
        "3cb44b",
        "4363d8",
        "f58231",
        "911eb4",
        "42d4f4",
        "f032e6",
        "bfef45",
        "fabed4",
        "469990",
    )
)
"""Colors, RGB, used for object `number` modulo their count."""
OPACITY = 0.5
FONT, TEXT_SCALE, TEXT_PADDING = cv2.FONT_HERSHEY_SIMPLEX, 0.4, 3
USUAL_SIDE = 480
"""Shorter side of a frame, px, up to which lines are a pixel wide and text has the size above; both grow with it."""
BRIGHT = 140
"""Minimum luma of the color at which a label's text is black."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One object in one frame.

    Attributes:
        number: of the object; determines the color.
        mask: (h, w) bool, the part of the frame that contains the object.
        box: (4,) x1 y1 x2 y2, pixels of the frame.
        label: text at the box.
        corner_xy: position of the mask's top-left pixel in the frame.
    """

    number: int
    mask: Bool
    box: F32
    label: str
    corner_xy: tuple[int, int] = (0, 0)


def paint(image: U8, shapes: Sequence[Shape]) -> U8:
    """Frame (H, W, 3) uint8 RGB -> a copy with the shapes: masks, the largest first, then boxes, then labels."""
    scene = np.ascontiguousarray(image).copy()
    scale = max(1.0, min(scene.shape[:2]) / USUAL_SIDE)
    for shape in sorted(shapes, key=lambda shape: -int(shape.mask.sum())):
        _tint(scene, image, shape)
    for shape in shapes:
        x1, y1, x2, y2 = (int(edge) for edge in shape.box)
        cv2.rectangle(scene, (x1, y1), (x2, y2), _color(shape), round(scale))
    for shape in shapes:
        _label(scene, shape, scale)
    return scene


def _color(shape: Shape) -> tuple[int, ...]:
    return PALETTE[shape.number % len(PALETTE)]


def _tint(scene: U8, image: U8, shape: Shape) -> None:
    """Blend the object's color with the original image, not with the larger objects drawn before."""
    if not shape.mask.size:
        return
    (x, y), (height, width) = shape.corner_xy, shape.mask.shape
    place = np.s_[y : y + height, x : x + width]
    plain = np.empty((height, width, 3), np.uint8)
    plain[:] = _color(shape)
    mixed = cv2.addWeighted(plain, OPACITY, np.ascontiguousarray(image[place]), 1 - OPACITY, 0)
    np.copyto(scene[place], mixed, where=shape.mask[..., None])


def _label(scene: U8, shape: Shape, scale: float) -> None:
    """Draw the label on the object's color above the box's top-left corner, moved inside the frame if necessary."""
    size, thick, padding = TEXT_SCALE * scale, round(scale), round(TEXT_PADDING * scale)
    (width, height), _ = cv2.getTextSize(shape.label, FONT, size, thick)
    wide, high = width + 2 * padding, height + 2 * padding
    left = max(0, min(int(shape.box[0]), scene.shape[1] - wide))
    top = max(0, min(int(shape.box[1]), scene.shape[0]) - high)
    color = _color(shape)
    cv2.rectangle(scene, (left, top), (left + wide, top + high), color, cv2.FILLED)
    luma = float(np.dot(color, (0.299, 0.587, 0.114)))
    text = (0, 0, 0) if luma >= BRIGHT else (255, 255, 255)
    at = (left + padding, top + padding + height)
    cv2.putText(scene, shape.label, at, FONT, size, text, thick, cv2.LINE_AA)

"""Draws the objects of a frame: translucent masks, boxes, labels."""

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
BRIGHT = 140
"""Minimum luma of the color at which a label's text is black."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One object in one frame.

    Attributes:
        number: of the object; determines the color.
        mask: (H, W) bool, of the frame's size.
        box: (4,) x1 y1 x2 y2, pixels of the frame.
        label: text at the box.
    """

    number: int
    mask: Bool
    box: F32
    label: str


def paint(image: U8, shapes: Sequence[Shape]) -> U8:
    """Frame (H, W, 3) uint8 RGB -> a copy with the shapes: masks, the largest first, then boxes, then labels."""
    scene = np.ascontiguousarray(image).copy()
    tint = scene.copy()
    for shape in sorted(shapes, key=lambda shape: -int(shape.mask.sum())):
        tint[shape.mask] = _color(shape)
    cv2.addWeighted(tint, OPACITY, scene, 1 - OPACITY, 0, dst=scene)
    for shape in shapes:
        x1, y1, x2, y2 = (int(edge) for edge in shape.box)
        cv2.rectangle(scene, (x1, y1), (x2, y2), _color(shape), 1)
    for shape in shapes:
        _label(scene, shape)
    return scene


def _color(shape: Shape) -> tuple[int, ...]:
    return PALETTE[shape.number % len(PALETTE)]


def _label(scene: U8, shape: Shape) -> None:
    """Draw the label on the object's color above the box's top-left corner, moved inside the frame if necessary."""
    (width, height), _ = cv2.getTextSize(shape.label, FONT, TEXT_SCALE, 1)
    wide, high = width + 2 * TEXT_PADDING, height + 2 * TEXT_PADDING
    left = max(0, min(int(shape.box[0]), scene.shape[1] - wide))
    top = max(0, min(int(shape.box[1]), scene.shape[0]) - high)
    color = _color(shape)
    cv2.rectangle(scene, (left, top), (left + wide, top + high), color, cv2.FILLED)
    luma = float(np.dot(color, (0.299, 0.587, 0.114)))
    text = (0, 0, 0) if luma >= BRIGHT else (255, 255, 255)
    at = (left + TEXT_PADDING, top + TEXT_PADDING + height)
    cv2.putText(scene, shape.label, at, FONT, TEXT_SCALE, text, 1, cv2.LINE_AA)

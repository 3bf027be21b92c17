"""Frames with plain rectangles on a plain background: what the fake networks understand."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from service.structures.arrays import U8

GREY = (110, 110, 110)


@dataclass(frozen=True)
class Rectangle:
    """Moves by `step_xy` px a frame; not there in the frames `hidden`."""

    color: tuple[int, int, int]
    x1: int
    y1: int
    width: int
    height: int
    step_xy: tuple[int, int] = (0, 0)
    hidden: Collection[int] = ()

    def box(self, frame: int) -> tuple[int, int, int, int]:
        x, y = self.x1 + self.step_xy[0] * frame, self.y1 + self.step_xy[1] * frame
        return x, y, x + self.width, y + self.height


def draw(rectangles: list[Rectangle], frame: int, hw: tuple[int, int]) -> U8:
    """Frame number `frame`, (h, w, 3) RGB; later rectangles hide earlier ones."""
    image = np.full((*hw, 3), GREY, np.uint8)
    for rectangle in rectangles:
        if frame not in rectangle.hidden:
            x1, y1, x2, y2 = (max(edge, 0) for edge in rectangle.box(frame))
            image[y1:y2, x1:x2] = rectangle.color
    return image

"""Masks of the frames between two tracked ones: carried there by the motion that the pictures show.

The object is looked at through a window around its box, whose place and size go from one tracked frame to the next in a
straight line: what is left to find is small. Dense optical flow (DIS: Kroeger et al., "Fast Optical Flow using Dense
Inverse Search", ECCV 2016) from the window of the frame between to those of its neighbors says where each sample was
and will be. Both masks are read there as signed distances to their outlines, and blended by time (Raya and Udupa,
"Shape-based interpolation of multidimensional objects", IEEE TMI 1990): two outlines that differ meet half-way.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from service.structures.arrays import F32, U8
from service.structures.boxes import expand
from service.structures.canvas import Canvas
from service.structures.masks import Rle, bounding_box, decode, encode_part
from service.tracking.windows import crop_picture, paste_part

SIDE = 96
"""Samples of a window's side; with 128 masks gain less than 0.003 of IoU, for more than half as much time again."""
CONTEXT = 1.2
"""The window's sides over those of the mask's box: the flow needs to see what the outline moves against."""
FURTHEST = 24.0
"""Samples; further from an outline all distances are the same."""
FINEST = 1
"""Level of the picture pyramid, each half as large, at which the flow ends: 2 costs a third and blurs limbs."""


@dataclass(frozen=True, slots=True, eq=False)
class WindowView:
    """An object in a tracked frame.

    Attributes:
        window: (4,) px of the original frame.
        distance: (SIDE, SIDE) signed distance to the outline in samples, positive inside.
        luma: (SIDE, SIDE) the picture in the window.
    """

    window: F32
    distance: F32
    luma: U8


class Carrier:
    """Carries masks of one video from tracked frames to those between.

    Args:
        canvas: sizes; `frame_hw` is kept.
    """

    def __init__(self, canvas: Canvas) -> None:
        self._canvas, self.frame_hw = canvas, canvas.frame_hw
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._flow.setFinestScale(FINEST)
        self._rows, self._columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)

    def look(self, mask: Rle, luma: U8) -> WindowView:
        """At a tracked frame.

        Args:
            mask: of the object there, not empty.
            luma: (h, w) of the frame, network px.
        """
        window = _window(bounding_box(mask))
        inside = crop_picture(decode(mask).view(np.uint8), window, SIDE)
        return WindowView(window, _signed_distance(inside), self._seen(luma, window))

    def between(self, before: WindowView, after: WindowView, luma: U8, share: float) -> Rle:
        """The mask in a frame between two; empty if nothing of the object seems to be left.

        Args:
            before: the tracked frame before it.
            after: the one after it.
            luma: (h, w) of the frame, network px.
            share: of the time from one to the other that has passed.
        """
        window = ((1 - share) * before.window + share * after.window).astype(np.float32)
        seen = self._seen(luma, window)
        distance = (1 - share) * self._carried(before, seen) + share * self._carried(after, seen)
        return self._outlined(distance, window)

    def beyond(self, look: WindowView, luma: U8, moved: F32) -> Rle:
        """The mask in a frame beside a tracked one, where the other neighbor does not know the object.

        Args:
            look: at the tracked frame.
            luma: (h, w) of the frame, network px.
            moved: (4,) px that the window's edges have probably moved.
        """
        window = look.window + moved
        return self._outlined(self._carried(look, self._seen(luma, window)), window)

    def _seen(self, luma: U8, window: F32) -> U8:
        return crop_picture(luma, window * self._canvas.scale_xyxy, SIDE)

    def _carried(self, look: WindowView, luma: U8) -> F32:
        """Its distances where the flow says that the samples of `luma` come from."""
        flow = self._flow.calc(luma, look.luma, np.zeros((SIDE, SIDE, 2), np.float32))
        x, y = self._columns + flow[..., 0], self._rows + flow[..., 1]
        carried = cv2.remap(look.distance, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(carried, np.float32)

    def _outlined(self, distance: F32, window: F32) -> Rle:
        part, corner = paste_part(distance, window, self.frame_hw)
        return encode_part(part > 0, corner, self.frame_hw)


def _window(box: F32) -> F32:
    window: F32 = expand(box[None], CONTEXT)[0]
    return window


def _signed_distance(inside: U8) -> F32:
    """1 inside the mask, else 0, (S, S) -> distance to its outline in samples, positive inside, at most `FURTHEST`."""
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 3) - cv2.distanceTransform(1 - inside, cv2.DIST_L2, 3)
    clipped: F32 = np.clip(distance, -FURTHEST, FURTHEST).astype(np.float32)
    return clipped

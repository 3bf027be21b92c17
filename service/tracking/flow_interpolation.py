"""Masks of the frames between two tracked ones, propagated by optical flow.

The object is viewed in a window around its box, whose position and size are interpolated linearly between tracked
frames, so that the remaining motion is small. Dense optical flow (DIS: Kroeger et al., "Fast Optical Flow using Dense
Inverse Search", ECCV 2016) from the window of the frame in between to those of its neighbors gives the position of each
sample before and after. Both masks are sampled there as signed distances to their outlines, and blended by time (Raya
and Udupa, "Shape-based interpolation of multidimensional objects", IEEE TMI 1990), so that different outlines meet
halfway.
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
"""Samples per side of a window; 128 would improve IoU by less than 0.003, but take over 50 % more time."""
CONTEXT = 1.2
"""Size of the window relative to the mask's box: optical flow needs some background around the outline."""
FURTHEST = 24.0
"""Limit of signed distances, in samples."""
FINEST = 1
"""Finest level of the image pyramid for the flow; 2 takes a third of the time, but blurs limbs."""


@dataclass(frozen=True, slots=True, eq=False)
class WindowView:
    """View of an object in a tracked frame.

    Attributes:
        window: (4,) px of the original frame.
        distance: (SIDE, SIDE) signed distance to the outline in samples, positive inside.
        luma: (SIDE, SIDE) brightness in the window.
    """

    window: F32
    distance: F32
    luma: U8


class Carrier:
    """Propagates masks of one video from tracked frames to those in between.

    Args:
        canvas: sizes; `frame_hw` is kept.
    """

    def __init__(self, canvas: Canvas) -> None:
        self._canvas, self.frame_hw = canvas, canvas.frame_hw
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._flow.setFinestScale(FINEST)
        self._rows, self._columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)

    def look(self, mask: Rle, luma: U8) -> WindowView:
        """View an object in a tracked frame.

        Args:
            mask: of the object, not empty.
            luma: (h, w) of the frame, network px.
        """
        window = _window(bounding_box(mask))
        inside = crop_picture(decode(mask).view(np.uint8), window, SIDE)
        return WindowView(window, _signed_distance(inside), self._seen(luma, window))

    def between(self, before: WindowView, after: WindowView, luma: U8, share: float) -> Rle:
        """The mask in a frame between two tracked ones; empty if nothing of the object is left.

        Args:
            before: view in the tracked frame before.
            after: view in the tracked frame after.
            luma: (h, w) of the frame, network px.
            share: fraction of the time between the two that has passed.
        """
        window = ((1 - share) * before.window + share * after.window).astype(np.float32)
        seen = self._seen(luma, window)
        distance = (1 - share) * self._carried(before, seen) + share * self._carried(after, seen)
        return self._outlined(distance, window)

    def beyond(self, look: WindowView, luma: U8, moved: F32) -> Rle:
        """The mask in a frame next to a tracked one, if the object is absent in the other neighbor.

        Args:
            look: view in the tracked frame.
            luma: (h, w) of the frame, network px.
            moved: (4,) estimated motion of the window's edges, px.
        """
        window = look.window + moved
        return self._outlined(self._carried(look, self._seen(luma, window)), window)

    def _seen(self, luma: U8, window: F32) -> U8:
        return crop_picture(luma, window * self._canvas.scale_xyxy, SIDE)

    def _carried(self, look: WindowView, luma: U8) -> F32:
        """Its distances, warped by the flow from `luma`."""
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

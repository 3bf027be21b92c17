"""Mask × box: combines the results of the two trackers into one mask (docs/method.md, section 5.4)."""

import numpy as np

from service.structures.arrays import F32, Bool
from service.structures.boxes import expand
from service.tracking.params import FusionParams


def inside_box(box: F32, window: F32, side: int, params: FusionParams) -> F32:
    """The paper's box map at the samples of a window: (S, S), 1 inside the box (enlarged by the margin), else 0.

    Args:
        box: (4,) tracked box.
        window: (4,) in the same coordinates.
        side: S.
        params: margin.
    """
    if params.kind == "none":
        return np.ones((side, side), np.float32)
    wide = expand(box[None], params.margin)[0]
    middles = (np.arange(side, dtype=np.float32) + 0.5) / side
    x = window[0] + middles * (window[2] - window[0])
    y = window[1] + middles * (window[3] - window[1])
    columns = (x >= wide[0]) & (x <= wide[2])
    rows = (y >= wide[1]) & (y <= wide[3])
    return np.outer(rows, columns).astype(np.float32)


def cut_at_box(pasted: F32, box: F32, params: FusionParams, corner_xy: tuple[int, int] = (0, 0)) -> F32:
    """Probability × box map, exact to the pixel of the frame.

    Args:
        pasted: (H, W), or a part of the frame.
        box: (4,) in pixels of the frame.
        params: margin.
        corner_xy: position of the part's first pixel in the frame.
    """
    if params.kind == "none":
        return pasted
    cut = np.zeros_like(pasted)
    rows, columns = _pixels(expand(box[None], params.margin)[0])
    inside = _from(rows, corner_xy[1]), _from(columns, corner_xy[0])
    cut[inside] = pasted[inside]
    return cut


def fill_box(box: F32, frame_hw: tuple[int, int]) -> Bool:
    """Mask (H, W) of a box (4,) in pixels of that frame: the result of the instance level alone."""
    mask = np.zeros(frame_hw, np.bool_)
    mask[_pixels(box)] = True
    return mask


def _from(pixels: slice, first: int) -> slice:
    """The same pixels, relative to `first`."""
    return slice(max(pixels.start - first, 0), max(pixels.stop - first, 0))


def _pixels(box: F32) -> tuple[slice, slice]:
    """Rows and columns of the pixels whose centers are inside a box (4,)."""
    x1, y1, x2, y2 = box
    rows = slice(max(0, int(np.ceil(y1 - 0.5))), max(0, int(np.floor(y2 - 0.5)) + 1))
    return rows, slice(max(0, int(np.ceil(x1 - 0.5))), max(0, int(np.floor(x2 - 0.5)) + 1))

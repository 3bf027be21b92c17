"""Stray pieces of a mask (docs/method.md, section 5.4)."""

from collections.abc import Callable

import cv2
import numpy as np

from service.structures.arrays import Bool


def without_strays(mask: Bool, core: Bool, last: Callable[[], Bool], most: float) -> Bool:
    """The mask without its stray pieces: small ones that do not touch the last mask.

    Pieces are 8-connected. The main piece has most of the core; without a core it is the largest one. Of equal ones it
    is the upper one. A mask of one piece is returned as it is.

    Args:
        mask: (h, w).
        core: (h, w) the part of the mask in the tracked box.
        last: computes the last mask at the same pixels, (h, w); called only if there are small pieces.
        most: maximum area of a stray piece, as a share of the main piece's; inclusive.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA]
    main = np.bincount(labels[core if core.any() else mask], minlength=count).argmax()
    keep = areas > most * areas[main]
    keep[main] = True
    keep[0] = False
    if keep[1:].all():
        return mask
    keep[labels[last() & mask]] = True
    kept: Bool = keep[labels]
    return kept

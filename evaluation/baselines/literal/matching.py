"""FEELVOS's matching over whole frames: with all pixels of the reference, and with neighbors in the previous frame.

Both are matrix products, the fastest exact form on a CPU that we know of. Distances are squared.
"""

import numpy as np

from service.structures.arrays import F32, Bool

FAR = np.float32(1e4)
"""Distance if there is no reference."""
CHUNK = 512
"""Number of queries whose distances to all reference pixels are in memory at once."""


def nearest(queries: F32, references: F32) -> F32:
    """Squared distance of each query (P, E) to the nearest of R references (R, E), (P,); 1e4 if there are none."""
    if not len(references):
        return np.full(len(queries), FAR)
    # ‖q - r‖² = ‖q‖² - (2 q·r - ‖r‖²); the parenthesis is a single product if q gets a column of ones
    weights = np.concatenate([2 * references, -(references**2).sum(1, keepdims=True)], axis=1).T
    ones = np.ones((len(queries), 1), np.float32)
    extended = np.concatenate([queries, ones], axis=1)
    closest = np.concatenate([(extended[i : i + CHUNK] @ weights).max(1) for i in range(0, len(queries), CHUNK)])
    found: F32 = np.maximum((queries**2).sum(1) - closest, 0).astype(np.float32)
    return found


def nearest_before(queries: F32, keys: F32, labels: Bool, radii: tuple[int, ...]) -> F32:
    """Squared distance of each pixel to the nearest one within some radii in the previous frame, per label.

    Args:
        queries: (h, w, E) of this frame.
        keys: (h, w, E) of the previous frame.
        labels: (L, h, w), pixels of the previous frame that belong to each label.
        radii: of square neighborhoods, ascending.

    Returns:
        (L * radii, h, w); 1e4 where a label has no pixel within the radius.
    """
    height, width, _ = queries.shape
    reach = radii[-1]
    padded = np.pad(keys, ((reach, reach), (reach, reach), (0, 0)))
    inside = np.pad(labels, ((0, 0), (reach, reach), (reach, reach)))
    own, others = (queries**2).sum(2), (padded**2).sum(2)
    found = np.full((len(labels), len(radii), height, width), FAR)
    across = np.abs(np.arange(-reach, reach + 1))
    for down in range(2 * reach + 1):
        # each row times a row of the previous frame, then the band of pixels within the radius
        products = queries @ padded[down : down + height].transpose(0, 2, 1)
        squared = own[..., None] - 2 * _band(products, width, reach) + _windows(others[down : down + height], width)
        for label, there in enumerate(inside):
            masked = np.where(_windows(there[down : down + height], width), squared, FAR)
            for number, radius in enumerate(radii):
                if abs(down - reach) <= radius:
                    near = masked[..., across <= radius].min(2)
                    np.minimum(found[label, number], near, out=found[label, number])
    clipped: F32 = np.maximum(found, 0).reshape(-1, height, width).astype(np.float32)
    return clipped


def distance(squared: F32, bias: F32) -> F32:
    """FEELVOS's d = 2 sigmoid(‖p - q‖² + b) - 1."""
    with np.errstate(over="ignore"):
        close: F32 = (2 / (1 + np.exp(-(squared + bias))) - 1).astype(np.float32)
    return close


def _windows(rows: np.ndarray[tuple[int, ...], np.dtype[np.generic]], width: int) -> F32:
    """Rows (h, w + 2 r) -> the neighborhood of each of w pixels in its row, (h, w, 2 r + 1), as a view."""
    view: F32 = np.lib.stride_tricks.sliding_window_view(rows, rows.shape[1] - width + 1, axis=1)
    return view


def _band(products: F32, width: int, reach: int) -> F32:
    """(h, w, w + 2 r) -> the diagonal band (h, w, 2 r + 1): element i of pixel x lies at x + i."""
    along, row, column = products.strides
    shape = (products.shape[0], width, 2 * reach + 1)
    return np.lib.stride_tricks.as_strided(products, shape, (along, row + column, column), writeable=False)

"""Windows of the track graphs: their position, and conversion of masks between frames and windows.

A window x1 y1 x2 y2 has S x S samples; sample i covers [x1 + i w / S, x1 + (i + 1) w / S].
"""

import cv2
import numpy as np

from service.structures.arrays import F32, U8, Bool
from service.structures.boxes import square
from service.tracking.anchors import EXEMPLAR, SEARCH

CONTEXT = 0.5
"""Context of the Siamese windows: p = 0.5 (w + h) is added to each side (SiamFC)."""
MIN_PIXEL_WINDOW = 32.0


def template_side(boxes: F32) -> F32:
    """Side s_z = sqrt((w + p)(h + p)) of the exemplar window, (N, 4) -> (N,)."""
    sizes = np.maximum(boxes[:, 2:] - boxes[:, :2], 1)
    padded = sizes + CONTEXT * sizes.sum(axis=1, keepdims=True)
    side: F32 = np.sqrt(padded.prod(axis=1)).astype(np.float32)
    return side


def search_windows(boxes: F32) -> F32:
    """Search windows of side s_z * 255 / 127 around the boxes' centers, (N, 4) -> (N, 4)."""
    return square(boxes, template_side(boxes) * np.float32(SEARCH / EXEMPLAR))


def pixel_windows(boxes: F32, context: float, minimum: float = MIN_PIXEL_WINDOW) -> F32:
    """Squares of `context` times the longer side, at least `minimum` px, around the boxes' centers."""
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    return square(boxes, np.maximum(longer * np.float32(context), np.float32(minimum)))


def crop_mask(mask: Bool, window: F32, side: int) -> F32:
    """Mask (H, W) of a frame -> its coverage of each sample of `window`, (S, S) float32 in [0, 1]; 0 outside.

    Args:
        mask: in the original frame, or in a part of it that may have no pixel.
        window: (4,) in pixels of the same frame.
        side: S.
    """
    if not mask.size:
        return np.zeros((side, side), np.float32)
    fine = max(1, int(np.ceil((window[2] - window[0]) / side)))
    fine = min(fine, 8)
    matrix = _window_to_frame(window, side * fine)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    sampled = cv2.warpAffine(mask.astype(np.float32), matrix, (side * fine, side * fine), flags=flags)
    share: F32 = sampled.reshape(side, fine, side, fine).mean(axis=(1, 3)).astype(np.float32)
    return share


def crop_picture(picture: U8, window: F32, side: int) -> U8:
    """Image (h, w) -> its content in `window`, (S, S), with border pixels replicated outside.

    Args:
        picture: image with one channel.
        window: (4,) in pixels of the image.
        side: S.
    """
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    matrix = _window_to_frame(window, side)
    seen = cv2.warpAffine(picture, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.uint8)


def paste_probability(probability: F32, window: F32, frame_hw: tuple[int, int]) -> F32:
    """Probabilities (S, S) of a window -> (H, W) of the frame, bilinear; 0 outside the window.

    Args:
        probability: samples of the window.
        window: (4,) in pixels of the frame; may extend beyond it and need not be square.
        frame_hw: H, W.
    """
    pasted = np.zeros(frame_hw, np.float32)
    part, (x, y) = paste_part(probability, window, frame_hw)
    pasted[y : y + part.shape[0], x : x + part.shape[1]] = part
    return pasted


def paste_part(probability: F32, window: F32, frame_hw: tuple[int, int]) -> tuple[F32, tuple[int, int]]:
    """The part of the frame that a window covers: its probabilities (h, w), and its first pixel x, y in the frame.

    See `paste_probability`; a window outside the frame gives an empty part.
    """
    height, width = frame_hw
    x1, y1 = (max(0, int(np.floor(edge))) for edge in window[:2])
    x2, y2 = min(width, int(np.ceil(window[2]))), min(height, int(np.ceil(window[3])))
    if x2 <= x1 or y2 <= y1:
        return np.zeros((0, 0), np.float32), (0, 0)
    rows, columns = probability.shape
    scale_x = columns / max(float(window[2] - window[0]), 1e-6)
    scale_y = rows / max(float(window[3] - window[1]), 1e-6)
    # the center of pixel p is at p + 0.5, that of sample i at (i + 0.5) / scale
    matrix = np.array(
        [
            [scale_x, 0, (x1 + 0.5 - float(window[0])) * scale_x - 0.5],
            [0, scale_y, (y1 + 0.5 - float(window[1])) * scale_y - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    part = cv2.warpAffine(probability, matrix, (x2 - x1, y2 - y1), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(part, np.float32), (x1, y1)


def _window_to_frame(window: F32, samples: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Affine map from sample indices of a window to pixel indices of the frame, both at centers."""
    step_x = float(window[2] - window[0]) / samples
    step_y = float(window[3] - window[1]) / samples
    return np.array(
        [
            [step_x, 0, float(window[0]) + 0.5 * step_x - 0.5],
            [0, step_y, float(window[1]) + 0.5 * step_y - 0.5],
        ]
    )

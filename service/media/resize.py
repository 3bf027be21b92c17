"""Conversion of frames to RGB images. Separate from other code of the decoding child, as most videos don't need it."""

import cv2
import numpy as np
from av.video.frame import VideoFrame

from service.structures.arrays import U8


def resized(image: U8, hw: tuple[int, int]) -> U8:
    """Image at height and width `hw`; frames of a different size (changed in mid-stream) are stretched, too."""
    if image.shape[:2] == hw:
        return image
    shrinking = image.shape[0] > hw[0]
    interpolation = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    scaled: U8 = np.asarray(cv2.resize(image, (hw[1], hw[0]), interpolation=interpolation), np.uint8)
    return scaled


def upright(frame: VideoFrame, rotation: int) -> U8:
    """Frame -> (H, W, 3) uint8 RGB, rotation applied; alpha is dropped, higher bit depths are reduced to 8 bits."""
    image: U8 = np.rot90(frame.to_ndarray(format="rgb24"), rotation // 90)
    return np.ascontiguousarray(image)

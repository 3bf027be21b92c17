"""Resizing of RGB images. Apart from the decoding child's other code: most videos never need it there."""

import cv2
import numpy as np

from service.structures.arrays import U8


def resized(image: U8, hw: tuple[int, int]) -> U8:
    """Image at height and width `hw`; a frame of another size (changed in mid-stream) is stretched to it, too."""
    if image.shape[:2] == hw:
        return image
    shrinking = image.shape[0] > hw[0]
    interpolation = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    scaled: U8 = np.asarray(cv2.resize(image, (hw[1], hw[0]), interpolation=interpolation), np.uint8)
    return scaled

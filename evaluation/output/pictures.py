"""Images of clips: annotation and result side by side with frames stacked, or a strip of single frames."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from dualtrack.errors import InvalidDataset
from evaluation.data.dataset import AnnotatedVideo, Document
from service.media.children.render import Painter
from service.media.stream import open_known
from service.structures.arrays import U8
from service.structures.masks import bounding_box, from_json

WIDTH = 480
"""Width of one frame in an image, px."""
GAP = 6
QUALITY = 80


def write_picture(
    path: Path,
    video: AnnotatedVideo,
    sides: tuple[Sequence[Document], Sequence[Document]],
    categories: Mapping[int, str],
    positions: Sequence[int],
) -> None:
    """Write a JPEG of annotations and results.

    Args:
        path: of the image.
        video: source of the frames.
        sides: annotations and YouTube-VIS records of this video.
        categories: names by id.
        positions: of the frames to draw, among the annotated ones.
    """
    frames = read_frames(video, positions)
    painters = [Painter(_drawings(items, categories)) for items in sides]
    rows = [
        np.hstack(_with_gaps([_small(painter.paint(frames[i], i)) for painter in painters], axis=1)) for i in positions
    ]
    _write(path, np.vstack(_with_gaps(rows, axis=0)))


def write_strip(path: Path, panels: Sequence[U8]) -> None:
    """Write a JPEG of images (H, W, 3) uint8 RGB side by side, each `WIDTH` wide, padded with white at the bottom."""
    small = [_small(panel) for panel in panels]
    height = max(len(panel) for panel in small)
    level = [np.pad(panel, ((0, height - len(panel)), (0, 0), (0, 0)), constant_values=255) for panel in small]
    _write(path, np.hstack(_with_gaps(level, axis=1)))


def read_frames(video: AnnotatedVideo, positions: Sequence[int]) -> dict[int, U8]:
    """Annotated frames (H, W, 3) uint8 RGB by position."""
    wanted = {video.frames[i]: i for i in positions}
    frames: dict[int, U8] = {}
    with open_known(video.path) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                frames[wanted[number]] = frame.to_ndarray(format="rgb24").astype(np.uint8)
            if len(frames) == len(wanted):
                return frames
    raise InvalidDataset(f"video {video.name}: expected frame {max(wanted)}, {video.path} has fewer frames")


def _drawings(items: Sequence[Document], categories: Mapping[int, str]) -> list[Document]:
    """Items in the form of the overlay's painter; annotations have no score and are drawn with 1."""
    return [
        {
            "id": number,
            "name": categories.get(item.get("category_id", -1), "object"),
            "score": item.get("score", 1.0),
            "start": 0,
            "masks": item["segmentations"],
            "boxes": [None if rle is None else bounding_box(from_json(rle)) for rle in item["segmentations"]],
        }
        for number, item in enumerate(items, start=1)
    ]


def _write(path: Path, picture: U8) -> None:
    cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


def _small(image: U8) -> U8:
    height = round(image.shape[0] * WIDTH / image.shape[1])
    return cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _with_gaps(images: Sequence[U8], axis: int) -> list[U8]:
    """Insert white gaps between images."""
    shape = list(images[0].shape)
    shape[axis] = GAP
    stripe = np.full(shape, 255, np.uint8)
    return [part for image in images for part in (stripe, image)][1:]

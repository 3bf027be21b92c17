"""The overlay of a result: objects with a sufficient score, drawn on the original video."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from dualtrack.result.file import ResultFile
from dualtrack.result.model import Tubelet, Video
from service.media.limits import VideoLimits
from service.media.render import Drawing, render_overlay
from service.media.video_info import VideoInfo
from service.structures.masks import Rle
from service.structures.packed_masks import PackedMasks


async def write_overlay(
    video: Path,
    info: VideoInfo,
    result: ResultFile,
    out: Path,
    *,
    limits: VideoLimits,
    min_score: float,
    on_frame: Callable[[int], None],
) -> None:
    """Draw a result on its video.

    Args:
        video: the file.
        info: result of the probe.
        result: to draw.
        out: MP4 file to write.
        limits: limits on videos.
        min_score: minimum score of tubelets to draw.
        on_frame: called with the number of frames done.

    Raises:
        InvalidVideo: the video can't be decoded.
    """
    await render_overlay(video, info, limits, drawings(result, min_score), out, on_frame)


def drawings(result: ResultFile, min_score: float) -> list[Drawing]:
    """The drawings of tubelets, numbered by id."""
    return [_drawing(item, result.head.video) for item in result.tubelets() if item.head.score >= min_score]


def _drawing(tubelet: Tubelet, video: Video) -> Drawing:
    head, size_hw = tubelet.head, (video.height, video.width)
    masks = [None if entry is None else Rle(size_hw, entry.counts.encode("ascii")) for entry in tubelet.entries]
    boxes = [(0, 0, 0, 0) if entry is None else entry.box or entry.track_box for entry in tubelet.entries]
    box_array = np.array(boxes, np.float32).reshape(-1, 4)
    return Drawing(head.id, head.category, head.score, PackedMasks(masks), box_array, head.first_frame)

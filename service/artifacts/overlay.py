"""The overlay of a result: its objects, drawn on the original video.

It is made from the stored result and the video alone, so no network is needed and any process can do it.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from dualtrack.result.file import ResultFile
from dualtrack.result.model import Tubelet, Video
from service.media.limits import VideoLimits
from service.media.render import Drawing, render_overlay
from service.structures.masks import Rle
from service.structures.packed_masks import PackedMasks

KIND = "overlay"
"""Kind of the artifact (`state/artifact.py`), whose option is `min_score`."""
STAGE = "render"
"""Name of its stage in reports of progress."""


async def write_overlay(
    video: Path,
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
        result: to draw.
        out: MP4 file to write, in a folder that exists; it appears once it is complete, or not at all.
        limits: limits on videos.
        min_score: minimum score of tubelets to draw; 0 draws the whole result.
        on_frame: called with the number of frames done.

    Raises:
        InvalidVideo: the video can't be decoded.
        InvalidResult: the result is damaged.
        FileNotFoundError: the result was deleted.
        Unavailable: the disk is full, or the child that draws was killed from outside or got no processor time.
        OSError: the disk is full or refuses.
    """
    original = result.head.video
    # everything that is written before the end is in this folder, whatever ends this process or its child
    with tempfile.TemporaryDirectory(prefix=".overlay-", dir=out.parent, ignore_cleanup_errors=True) as folder:
        part = Path(folder) / out.name
        drawn = drawings(result, min_score)
        await render_overlay(video, original.fps, original.timestamps, limits, drawn, part, on_frame)
        part.replace(out)


def drawings(result: ResultFile, min_score: float) -> Iterator[Drawing]:
    """The drawings of tubelets, numbered by id."""
    return (_drawing(item, result.head.video) for item in result.tubelets() if item.head.score >= min_score)


def _drawing(tubelet: Tubelet, video: Video) -> Drawing:
    head, size_hw = tubelet.head, (video.height, video.width)
    masks = [None if entry is None else Rle(size_hw, entry.counts.encode("ascii")) for entry in tubelet.entries]
    boxes = [(0, 0, 0, 0) if entry is None else entry.box or entry.track_box for entry in tubelet.entries]
    box_array = np.array(boxes, np.float32).reshape(-1, 4)
    return Drawing(head.id, head.category, head.score, PackedMasks(masks), box_array, head.first_frame)

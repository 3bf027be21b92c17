"""Guarded decoding of every frame, once, into a store that can be read in any order."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from uuid import uuid4

from dualtrack.errors import InvalidVideo, Unavailable
from service.media.children.guard import run_child
from service.media.frames.clip import Clip
from service.media.frames.coding import Coding
from service.media.frames.stored_frames import StoredFrames
from service.media.limits import VideoLimits
from service.media.video_info import VideoInfo

CPU_S = 3600
PIXELS_PER_BYTE = 16 / 3
"""Upper bound: Huffman coding takes at least one bit for each of the 3/2 samples of a 4:2:0 pixel."""


async def decode(
    path: Path,
    info: VideoInfo,
    limits: VideoLimits,
    *,
    network_hw: tuple[int, int],
    directory: Path,
    on_frame: Callable[[int], None],
) -> Clip:
    """Decode `path` in a child process.

    Args:
        path: the video.
        info: result of `probe`.
        limits: limits on videos.
        network_hw: height and width of the clip's frames.
        directory: for the frames, created if missing.
        on_frame: called with the number of frames done.

    Raises:
        InvalidVideo: it can't be decoded or exceeds a limit; if the decoder died, the message names the frame.
        Unavailable: the disk is full, or see `run_child`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _check_room(info, limits, network_hw, directory)
    out = directory / uuid4().hex
    job = {
        "path": str(path),
        "limits": asdict(limits),
        "network_hw": list(network_hw),
        "out": str(out),
        "memory_bytes": limits.memory_bytes,
        "cpu_s": CPU_S,
        "file_bytes": limits.max_store_bytes,
    }
    try:
        out.mkdir()
        result = await run_child("service.media.children.decode", job, wall_s=limits.wall_s, on_progress=on_frame)
        frames = StoredFrames(out, network_hw, [Coding.from_json(coding) for coding in result["codings"]])
        # the header's count includes frames hidden by an edit list and those after damage
        return Clip(frames, replace(info, frames=len(frames)), damage=result["damage"])
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise


def _check_room(info: VideoInfo, limits: VideoLimits, network_hw: tuple[int, int], directory: Path) -> None:
    """Reject immediately what would exceed the limit or the disk even with the best compression."""
    height, width = (min(a, b) for a, b in zip(network_hw, (info.height, info.width), strict=True))
    least = int(info.frames * height * width / PIXELS_PER_BYTE)
    if least > limits.max_store_bytes:
        raise InvalidVideo(
            f"video: its {info.frames} frames need at least {least} bytes, the limit max_store_bytes is "
            f"{limits.max_store_bytes}",
            code="too-many-frames",
        )
    free = shutil.disk_usage(directory).free
    if least > free:
        raise Unavailable(
            f"disk: the video's {info.frames} frames need at least {least} bytes, {free} are free", code="disk-full"
        )

"""Decoding, guarded: every frame once, into a file that can be read in any order."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from uuid import uuid4

import numpy as np

from service.errors import InvalidVideo
from service.media.child import run_child
from service.media.clip import Clip
from service.media.limits import VideoLimits
from service.media.video_info import VideoInfo

CPU_S = 3600


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
        info: what `probe` said of it.
        limits: see there.
        network_hw: height and width of the frames as stored.
        directory: where the frames go, made if need be.
        on_frame: told how many frames are done.

    Raises:
        InvalidVideo: it can't be decoded or is over a limit.
    """
    frame_bytes = network_hw[0] * network_hw[1] * 3
    if info.frames * frame_bytes > limits.max_store_bytes:
        raise InvalidVideo(
            f"video: its frames need {info.frames * frame_bytes} bytes, the limit max_store_bytes is "
            f"{limits.max_store_bytes}",
            code="too-many-frames",
        )
    directory.mkdir(parents=True, exist_ok=True)
    out = directory / f"{uuid4().hex}.rgb"
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
        result = await run_child("service.media.decode_child", job, wall_s=limits.wall_s, on_progress=on_frame)
        timestamps = np.array(result["timestamps"], np.float64)
        on_frame(len(timestamps))
        # The header's count holds frames that an edit list hides and those behind a damaged place.
        counted = replace(info, frames=len(timestamps))
        return Clip(out, timestamps, counted, network_hw, damage=result["damage"])
    except BaseException:
        out.unlink(missing_ok=True)
        raise

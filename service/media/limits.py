"""Limits on videos. An error that rejects a video names the limit it exceeds."""

from dataclasses import dataclass, field
from typing import TypeVar

Number = TypeVar("Number", int, float)


MOST = 1 << 60
"""Upper bound of every limit: the kernel's limits and file sizes are 64-bit numbers."""


def _limit(default: Number, description: str) -> Number:
    """A field above 0 with a description, in the form that pydantic reads; child processes need no pydantic for it."""
    metadata = {"description": description, "gt": 0, "le": MOST, "allow_inf_nan": False}
    if isinstance(default, int):
        del metadata["allow_inf_nan"]
    found: Number = field(default=default, metadata=metadata)
    return found


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """Limits on one video; the descriptions are those of the settings `DUALTRACK_LIMITS__…`."""

    max_bytes: int = _limit(2 << 30, "Maximum size of a video file, in bytes.")
    max_side: int = _limit(4096, "Maximum width or height of a frame, in pixels.")
    max_pixels: int = _limit(4096 * 2304, "Maximum number of pixels per frame (width × height).")
    min_side: int = _limit(16, "Minimum width or height of a frame, in pixels; smaller frames hold nothing to detect.")
    max_frames: int = _limit(3000, "Maximum number of frames in a video.")
    max_duration_s: float = _limit(600.0, "Maximum duration of a video, in seconds.")
    max_store_bytes: int = _limit(8 << 30, "Maximum disk space for the decoded frames of a video, in bytes.")
    wall_s: float = _limit(20.0, "Seconds without progress after which probing, decoding or rendering is aborted.")
    memory_bytes: int = _limit(3 << 30, "Address space of the process that decodes a video, in bytes.")

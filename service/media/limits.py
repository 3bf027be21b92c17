"""Limits on videos. An error that rejects a video names the limit it exceeds."""

from dataclasses import dataclass, field
from typing import TypeVar

Number = TypeVar("Number", int, float)


def _limit(default: Number, description: str) -> Number:
    """A field with a description, which pydantic reads from the metadata; children need not import pydantic for it."""
    found: Number = field(default=default, metadata={"description": description})
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

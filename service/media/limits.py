"""What a video may be at most. Every limit that refuses a video is named in the error."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """Limits of one video.

    Attributes:
        max_bytes: of the file.
        max_side, max_pixels: of a frame.
        min_side: of a frame; smaller ones hold nothing that the networks could see.
        max_frames: in the video.
        max_duration_s: of the video.
        max_store_bytes: of the decoded frames on disk.
        wall_s: seconds that a look at the file may take.
        memory_bytes: address space of the decoding child.
    """

    max_bytes: int = 2 << 30
    max_side: int = 4096
    max_pixels: int = 4096 * 2304
    min_side: int = 16
    max_frames: int = 3000
    max_duration_s: float = 600.0
    max_store_bytes: int = 8 << 30
    wall_s: float = 20.0
    memory_bytes: int = 3 << 30

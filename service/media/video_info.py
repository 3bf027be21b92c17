"""What the probe finds out about a video file."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """One video.

    Attributes:
        container, codec: by FFmpeg's names.
        width, height: of a frame after rotation, pixels as stored (a pixel aspect ratio is not applied).
        frames: of the decoded clip; before decoding the packets of the stream, which may be a few more.
        duration_s: seconds; 0 if unknown.
        fps: frames a second, pauses left out; 0 if unknown.
        rotation: degrees counter-clockwise by which frames are turned before anything else.
        variable_frame_rate: the distance between frames changes.
        size_bytes: of the file.
        stream: index of the stream in its container, of several video streams the one that was taken.
        time_base: unit of the stream's own time stamps, seconds as a fraction ("1/12800"); None if unknown.
    """

    container: str
    codec: str
    width: int
    height: int
    frames: int
    duration_s: float
    fps: float
    rotation: int
    variable_frame_rate: bool
    size_bytes: int
    stream: int = 0
    time_base: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "VideoInfo":
        """The inverse of `to_json`."""
        return cls(**document)

"""Properties of a video file found by the probe."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Properties of one video.

    Attributes:
        container, codec: FFmpeg's names.
        width, height: of a frame after rotation, in stored pixels (the pixel aspect ratio is not applied).
        frames: number in the decoded clip; before decoding, packets in the stream, which may be a few more.
        duration_s: seconds; 0 if unknown.
        fps: average rate; 0 if unknown.
        rotation: degrees counter-clockwise by which frames are rotated after decoding.
        variable_frame_rate: whether the interval between frames varies.
        size_bytes: of the file.
        stream: index of the video stream used.
        time_base: unit of the stream's timestamps, seconds as a fraction ("1/12800"); None if unknown.
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

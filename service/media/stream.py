"""Opens a video file safely, in a child process."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.frame import Frame
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dualtrack.errors import InvalidVideo
from service.media.codecs import IMAGES, VIDEO, options
from service.media.magic import HEAD_BYTES, container_format


def open_video(path: Path, max_pixels: int) -> tuple[InputContainer, VideoStream, str]:
    """Open `path` with the demuxer for its first bytes; returns container, video stream and format.

    Raises:
        InvalidVideo: empty, unsupported container or codec, no video stream, or malformed.
    """
    container, name = open_foreign(path, VIDEO)
    stream = _video_stream(container)
    stream.thread_count = 1
    stream.codec_context.options = {"max_pixels": str(max_pixels)}
    return container, stream, name


def open_foreign(path: Path, decoders: Iterable[str]) -> tuple[InputContainer, str]:
    """Open a file that may be hostile; the container and its format.

    Args:
        path: the file.
        decoders: those that may run.

    Raises:
        InvalidVideo: empty, unknown container, or malformed.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise InvalidVideo("video: the file is empty", code="empty-file")
    name = container_format(head)
    if name is None:
        raise InvalidVideo(
            "video: expected mp4/mov, matroska/webm, avi, mpeg-ts, ogg, flv or gif, "
            f"got a file that starts with {head[:12]!r}",
            code="unsupported-container",
        )
    try:
        return av.open(str(path), format=name, options=options(decoders, name)), name
    except (av.FFmpegError, ValueError, OSError) as error:
        raise InvalidVideo(
            f"video: the {name} container can't be read: {message_of(error)}", code="malformed"
        ) from error


def _video_stream(container: InputContainer) -> VideoStream:
    """FFmpeg's choice of stream (default disposition, then bit rate), or the first one if that is a cover image."""
    streams = [s for s in container.streams.video if not _is_cover(s)]
    if not len(container.streams):
        raise InvalidVideo("video: the container has no streams; the file may be truncated", code="malformed")
    if not streams:
        raise InvalidVideo("video: the file has no video stream", code="no-video")
    streams = _not_tiles(streams)
    best = container.streams.best("video")
    stream = next((s for s in streams if best is not None and s.index == best.index), streams[0])
    codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
    if codec not in VIDEO:
        raise InvalidVideo(f"video: expected a codec of {sorted(VIDEO)}, got {codec}", code="unsupported-codec")
    return stream


def _not_tiles(streams: list[VideoStream]) -> list[VideoStream]:
    """The streams without the tiles of a HEIC or AVIF picture, and without its thumbnail.

    Raises:
        InvalidVideo: there are no others; neither a tile nor the thumbnail is the picture.
    """
    tiles = sum(bool(stream.disposition & Disposition.dependent) for stream in streams)
    if not tiles:
        return streams
    moving = [stream for stream in streams if not stream.disposition & Disposition.dependent and stream.frames > 1]
    if not moving:
        raise InvalidVideo(
            f"video: expected a video or a picture in one piece, got a HEIC or AVIF picture in {tiles} tiles; "
            "convert it first: heif-convert picture.heic picture.png && ffmpeg -i picture.png picture.mp4",
            code="unsupported-container",
        )
    return moving


def open_known(path: Path) -> InputContainer:
    """Open a video or picture of a dataset in any format, with the same decoders."""
    return av.open(str(path), options=options(VIDEO | IMAGES))


def message_of(error: Exception) -> str:
    """FFmpeg's message without the error number, and without the path of the file, which is internal to the server."""
    return getattr(error, "strerror", None) or str(error)


def _is_cover(stream: VideoStream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def rotation_of(frame: VideoFrame) -> int:
    """Degrees counter-clockwise, a multiple of 90."""
    return round(frame.rotation / 90.0) * 90 % 360


def time_of(timed: "Frame | Packet[Any]") -> float | None:
    """Presentation time of a frame or packet in seconds; None if the file has none."""
    if timed.pts is None or timed.time_base is None:
        return None
    return float(timed.pts * timed.time_base)

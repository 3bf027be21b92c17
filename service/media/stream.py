"""Opens a video file safely, in a child process."""

from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dualtrack.errors import InvalidVideo
from service.media.magic import HEAD_BYTES, container_format

CODECS = frozenset(
    [
        "h264",
        "hevc",
        "vp8",
        "vp9",
        "av1",
        "mpeg4",
        "mpeg2video",
        "mpeg1video",
        "mjpeg",
        "gif",
        "prores",
        "msmpeg4v2",
        "msmpeg4v3",
        "theora",
        "h263",
        "flv1",
        "wmv2",
        "dnxhd",
        "ffv1",
        "qtrle",
        "rawvideo",
        "libdav1d",
        "libvpx-vp9",
    ]
)
OPTIONS = {"protocol_whitelist": "file", "enable_drefs": "0"}


def open_video(path: Path, max_pixels: int) -> tuple[InputContainer, VideoStream, str]:
    """Open `path` with the demuxer for its first bytes; returns container, video stream and format.

    Raises:
        InvalidVideo: empty, unsupported container or codec, no video stream, or malformed.
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
    options = dict(OPTIONS) if name == "mov" else {"protocol_whitelist": "file"}
    try:
        container = av.open(str(path), format=name, options=options)
    except (av.FFmpegError, ValueError, OSError) as error:
        raise InvalidVideo(
            f"video: the {name} container can't be read: {message_of(error)}", code="malformed"
        ) from error
    stream = _video_stream(container)
    stream.thread_count = 1
    stream.codec_context.options = {"max_pixels": str(max_pixels)}
    return container, stream, name


def _video_stream(container: InputContainer) -> VideoStream:
    """FFmpeg's choice of stream (default disposition, then bit rate), or the first one if that is a cover image."""
    streams = [s for s in container.streams.video if not _is_cover(s)]
    if not len(container.streams):
        raise InvalidVideo("video: the container has no streams; the file may be truncated", code="malformed")
    if not streams:
        raise InvalidVideo("video: the file has no video stream", code="no-video")
    best = container.streams.best("video")
    stream = next((s for s in streams if best is not None and s.index == best.index), streams[0])
    codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
    if codec not in CODECS:
        raise InvalidVideo(f"video: expected a codec of {sorted(CODECS)}, got {codec}", code="unsupported-codec")
    return stream


def message_of(error: Exception) -> str:
    """FFmpeg's message without the error number, and without the path of the file, which is internal to the server."""
    return getattr(error, "strerror", None) or str(error)


def _is_cover(stream: VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def rotation_of(frame: VideoFrame) -> int:
    """Degrees counter-clockwise, a multiple of 90."""
    return round(frame.rotation / 90.0) * 90 % 360


def seconds(frame: VideoFrame, stream: VideoStream, index: int) -> float:
    """Time of a frame; by its index if the file has no timestamps."""
    if frame.pts is not None and frame.time_base is not None:
        return float(frame.pts * frame.time_base)
    rate: Any = stream.average_rate or 25
    return index / float(rate)

"""Child process: probe a video, decoding only its first frames."""

from itertools import islice, pairwise
from pathlib import Path
from statistics import median

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dualtrack.errors import InvalidVideo
from service.media.children.child_main import Document, child_main
from service.media.limits import VideoLimits
from service.media.stream import message_of, open_video, rotation_of
from service.media.video_info import VideoInfo

FIRST_FRAMES = 4


def look(job: Document) -> Document:
    """Job `path`, `limits` -> VideoInfo as JSON."""
    path, limits = Path(job["path"]), VideoLimits(**job["limits"])
    container, stream, name = open_video(path, limits.max_pixels)
    with container:
        _check_size(stream.codec_context.width, stream.codec_context.height, limits)
        _check_frames(stream.frames, limits)
        first = _first_frame(container, stream, limits)
        times = _packet_times(path, limits)
        # read while the container is open: streams of a closed one contain garbage
        index, codec, unit = stream.index, stream.codec_context.name, stream.time_base
        fps, duration, variable = _timing(times, stream)
        _check_frames(len(times), limits)
    rotation = rotation_of(first)
    width, height = (first.width, first.height) if rotation % 180 == 0 else (first.height, first.width)
    if duration > limits.max_duration_s:
        raise InvalidVideo(
            f"video: {duration:.0f} s long, the limit max_duration_s is {limits.max_duration_s:.0f}",
            code="too-long",
        )
    info = VideoInfo(
        container=name,
        codec=codec,
        width=width,
        height=height,
        frames=len(times),
        duration_s=round(duration, 3),
        fps=round(fps, 3),
        rotation=rotation,
        variable_frame_rate=variable,
        size_bytes=path.stat().st_size,
        stream=index,
        time_base=None if unit is None else f"{unit.numerator}/{unit.denominator}",
    )
    return info.to_json()


def _first_frame(container: InputContainer, stream: VideoStream, limits: VideoLimits) -> VideoFrame:
    frames: list[VideoFrame] = []
    try:
        frames.extend(islice(container.decode(stream), FIRST_FRAMES))
    except (av.FFmpegError, ValueError) as error:
        # `extend` keeps the frames before the error: a file truncated after a few frames is still a video
        if not frames:
            raise InvalidVideo(
                f"video: the first frame can't be decoded: {message_of(error)}", code="malformed"
            ) from error
    if not frames:
        raise InvalidVideo("video: no frame can be decoded", code="no-frames")
    for frame in frames:
        _check_size(frame.width, frame.height, limits)
    return frames[0]


def _check_size(width: int, height: int, limits: VideoLimits) -> None:
    if max(width, height) > limits.max_side or width * height > limits.max_pixels:
        raise InvalidVideo(
            f"video: {width}x{height} px, the limits are max_side {limits.max_side} and max_pixels {limits.max_pixels}",
            code="too-large",
        )
    if 0 < min(width, height) < limits.min_side:
        raise InvalidVideo(f"video: {width}x{height} px, the limit min_side is {limits.min_side}", code="too-small")


def _check_frames(count: int, limits: VideoLimits) -> None:
    if count > limits.max_frames:
        raise InvalidVideo(
            f"video: {count} frames, the limit max_frames is {limits.max_frames}", code="too-many-frames"
        )


def _packet_times(path: Path, limits: VideoLimits) -> list[float]:
    """Times of all packets in seconds, sorted; the frame count in the header is unreliable."""
    container, stream, _ = open_video(path, limits.max_pixels)
    times: list[float] = []
    with container:
        try:
            for packet in container.demux(stream):
                if packet.size:
                    base = packet.time_base or stream.time_base
                    known = packet.pts is not None and base is not None
                    times.append(float((packet.pts or 0) * (base or 0)) if known else float(len(times)))
                    if len(times) > limits.max_frames:
                        break
        except (av.FFmpegError, ValueError) as error:
            if not times:
                raise InvalidVideo(
                    f"video: the packets can't be read: {message_of(error)}", code="malformed"
                ) from error
    return sorted(times)


def _timing(times: list[float], stream: VideoStream) -> tuple[float, float, bool]:
    """Average rate, duration in seconds, and whether the frame rate varies."""
    steps = [later - earlier for earlier, later in pairwise(times)]
    if not steps or times[-1] <= times[0]:
        rate = float(stream.average_rate or 0)
        return rate, (len(times) / rate if rate else 0.0), False
    step = median(steps)
    uneven = sum(abs(distance - step) > 0.1 * step + 2e-3 for distance in steps)
    variable = uneven > 0.02 * len(steps)
    return len(steps) / (times[-1] - times[0]), times[-1] - times[0] + step, variable


if __name__ == "__main__":
    child_main(look)

"""Child process: decode every frame once and store it at the networks' frame size."""

from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dualtrack.errors import InvalidVideo
from service.media.children.child_main import Document, child_main, send
from service.media.frames.frame_writer import FrameWriter
from service.media.limits import VideoLimits
from service.media.stream import message_of, open_video, time_of


def work(job: Document) -> Document:
    """Job `path`, `limits`, `network_hw`, `out` -> `codings`, `damage`.

    From a truncated or damaged file the frames before the damage are kept; `damage` is the decoder's message and the
    last frame.
    """
    limits = VideoLimits(**job["limits"])
    container, stream, name = open_video(Path(job["path"]), limits.max_pixels)
    damage: list[str] = []
    writer = FrameWriter(Path(job["out"]), tuple(job["network_hw"]), max_bytes=limits.max_store_bytes)
    with container, writer:
        for frame in decoded(_all_frames(container, stream, damage, indexed=name == "mov"), damage):
            if len(writer) == limits.max_frames:
                raise InvalidVideo(f"video: more than {limits.max_frames} frames (max_frames)", code="too-many-frames")
            writer.add(frame, time_of(frame))
            # after every frame, so that the parent knows at which frame this process died
            send({"progress": len(writer)})
        times = writer.finish(float(stream.average_rate or 0))
    if not times:
        why = damage[0] if damage else "the stream is empty"
        raise InvalidVideo(f"video: no frame can be decoded: {why}", code="malformed" if damage else "no-frames")
    where = f"after frame {len(times) - 1} at {times[-1]:.2f} s"
    codings = [coding.to_json() for coding in writer.codings]
    return {"codings": codings, "damage": f"{damage[0]}, {where}" if damage else None}


def _all_frames(
    container: InputContainer, stream: VideoStream, damage: list[str], *, indexed: bool
) -> Iterator[VideoFrame]:
    """The frames. What an `indexed` file lacks of the data in its index goes to `damage`: FFmpeg takes it for the end.

    The header's count is no measure: it holds frames that an edit list cuts off.
    """
    packets = 0
    for packet in container.demux(stream):
        packets += bool(packet.size)
        yield from packet.decode()
    if indexed and packets < len(stream.index_entries):
        damage.append(f"the file ends early, with {packets} of its {len(stream.index_entries)} frames")


def decoded(frames: Iterator[VideoFrame], damage: list[str]) -> Iterator[VideoFrame]:
    """The frames up to the first that can't be decoded; the decoder's message is added to `damage`."""
    try:
        yield from frames
    except (av.FFmpegError, ValueError) as error:
        damage.append(message_of(error))


if __name__ == "__main__":
    child_main(work)

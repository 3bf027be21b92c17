"""Child process: decode every frame once and store it at the networks' frame size."""

from collections.abc import Iterator
from pathlib import Path

import av
from av.video.frame import VideoFrame

from dualtrack.errors import InvalidVideo
from service.media.children.child_main import Document, child_main, send
from service.media.frames.frame_writer import FrameWriter
from service.media.limits import VideoLimits
from service.media.stream import message_of, open_video, seconds


def work(job: Document) -> Document:
    """Job `path`, `limits`, `network_hw`, `out` -> `codings`, `damage`.

    From a truncated or damaged file the frames before the damage are kept; `damage` is the decoder's message.
    """
    limits = VideoLimits(**job["limits"])
    container, stream, _ = open_video(Path(job["path"]), limits.max_pixels)
    damage: list[str] = []
    writer = FrameWriter(Path(job["out"]), tuple(job["network_hw"]), max_bytes=limits.max_store_bytes)
    with container, writer:
        for frame in decoded(container.decode(stream), damage):
            if len(writer) == limits.max_frames:
                raise InvalidVideo(f"video: more than {limits.max_frames} frames (max_frames)", code="too-many-frames")
            writer.add(frame, seconds(frame, stream, len(writer)))
            # after every frame, so that the parent knows at which frame this process died
            send({"progress": len(writer)})
        writer.finish()
    if not len(writer):
        why = damage[0] if damage else "the stream is empty"
        raise InvalidVideo(f"video: no frame can be decoded: {why}", code="malformed" if damage else "no-frames")
    return {"codings": [coding.to_json() for coding in writer.codings], "damage": damage[0] if damage else None}


def decoded(frames: Iterator[VideoFrame], damage: list[str]) -> Iterator[VideoFrame]:
    """The frames up to the first that can't be decoded; the decoder's message is added to `damage`."""
    try:
        yield from frames
    except (av.FFmpegError, ValueError) as error:
        damage.append(message_of(error))


if __name__ == "__main__":
    child_main(work)

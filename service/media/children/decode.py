"""Child: decode every frame once and store it at the size that the networks take."""

from collections.abc import Iterator
from pathlib import Path

import av
from av.video.frame import VideoFrame

from dualtrack.errors import InvalidVideo
from service.media.children.child_main import Document, child_main, say
from service.media.frames.frame_writer import FrameWriter
from service.media.limits import VideoLimits
from service.media.stream import open_video, said, time_of


def work(job: Document) -> Document:
    """Job `path`, `limits`, `network_hw`, `out` -> `codings`, `damage`.

    A file that breaks off gives the frames before; `damage` is what the decoder said then.
    """
    limits = VideoLimits(**job["limits"])
    container, stream, _ = open_video(Path(job["path"]), limits.max_pixels)
    damage: list[str] = []
    writer = FrameWriter(Path(job["out"]), tuple(job["network_hw"]), max_bytes=limits.max_store_bytes)
    with container, writer:
        for frame in decoded(container.decode(stream), damage):
            if len(writer) == limits.max_frames:
                raise InvalidVideo(f"video: more than {limits.max_frames} frames (max_frames)", code="too-many-frames")
            writer.add(frame, time_of(frame))
            # after every frame: should this process die, its parent knows at which
            say({"progress": len(writer)})
        writer.finish(float(stream.average_rate or 0))
    if not len(writer):
        why = damage[0] if damage else "the stream is empty"
        raise InvalidVideo(f"video: no frame can be decoded: {why}", code="malformed" if damage else "no-frames")
    return {"codings": [coding.to_json() for coding in writer.codings], "damage": damage[0] if damage else None}


def decoded(frames: Iterator[VideoFrame], damage: list[str]) -> Iterator[VideoFrame]:
    """The frames up to the first that can't be decoded; what the decoder said of that goes to `damage`."""
    try:
        yield from frames
    except (av.FFmpegError, ValueError) as error:
        damage.append(said(error))


if __name__ == "__main__":
    child_main(work)

"""Child: decode every frame once, upright, resized, into one raw file."""

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame

from service.errors import InvalidVideo
from service.media.child import Document, child_main, say
from service.media.limits import VideoLimits
from service.media.stream import open_video, rotation_of, said, seconds, upright
from service.structures.arrays import U8

PROGRESS_EVERY = 5


def work(job: Document) -> Document:
    """Job `path`, `limits`, `network_hw`, `out` -> `timestamps`, `damage`.

    A file that breaks off gives the frames before; `damage` is what the decoder said then.
    """
    limits = VideoLimits(**job["limits"])
    container, stream, _ = open_video(Path(job["path"]), limits.max_pixels)
    height, width = job["network_hw"]
    timestamps: list[float] = []
    damage: list[str] = []
    with container, Path(job["out"]).open("wb") as out:
        for frame in decoded(container.decode(stream), damage):
            image = resized(upright(frame, rotation_of(frame)), (height, width))
            out.write(image.tobytes())
            timestamps.append(seconds(frame, stream, len(timestamps)))
            if len(timestamps) > limits.max_frames:
                raise InvalidVideo(
                    f"video: more than {limits.max_frames} frames, the limit max_frames", code="too-many-frames"
                )
            if len(timestamps) % PROGRESS_EVERY == 0:
                say({"progress": len(timestamps)})
    if not timestamps:
        why = damage[0] if damage else "the stream is empty"
        raise InvalidVideo(f"video: no frame can be decoded: {why}", code="malformed" if damage else "no-frames")
    return {"timestamps": timestamps, "damage": damage[0] if damage else None}


def decoded(frames: Iterator[VideoFrame], damage: list[str]) -> Iterator[VideoFrame]:
    """The frames up to the first that can't be decoded; what the decoder said of that goes to `damage`."""
    try:
        yield from frames
    except (av.FFmpegError, ValueError) as error:
        damage.append(said(error))


def resized(image: U8, hw: tuple[int, int]) -> U8:
    """Image at height and width `hw`; a frame of another size (changed in mid-stream) is stretched to it, too."""
    shrinking = image.shape[0] > hw[0]
    interpolation = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    scaled: U8 = np.asarray(cv2.resize(image, (hw[1], hw[0]), interpolation=interpolation), np.uint8)
    return scaled


if __name__ == "__main__":
    child_main(work)

"""Child process: decode again, draw, encode."""

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from service.media.children.child_main import Document, child_main, send
from service.media.children.decode import decoded
from service.media.limits import VideoLimits
from service.media.painter import Shape, paint
from service.media.resize import upright
from service.media.stream import open_video, rotation_of, seconds
from service.structures.arrays import U8
from service.structures.masks import decode, from_json

TIME_BASE = Fraction(1, 90_000)
PROGRESS_EVERY = 5


class Painter:
    """Draws the objects of one frame."""

    def __init__(self, drawings: list[Document]) -> None:
        self._drawings = drawings

    def paint(self, image: U8, t: int) -> U8:
        """Frame `t`, (H, W, 3) uint8 RGB -> the same with its objects."""
        shapes = [shape for drawing in self._drawings if (shape := _shape(drawing, t)) is not None]
        if not shapes or shapes[0].mask.shape != image.shape[:2]:
            return image  # nothing to draw, or the stream changed its size: masks have the initial one
        return paint(image, shapes)


def _shape(drawing: Document, t: int) -> Shape | None:
    """The shape of an object in frame `t`, if it is visible."""
    place = t - drawing["start"]
    if not 0 <= place < len(drawing["masks"]) or drawing["masks"][place] is None:
        return None
    return Shape(
        number=drawing["id"] - 1,
        mask=decode(from_json(drawing["masks"][place])),
        box=np.array(drawing["boxes"][place], np.float32),
        label=f"{drawing['name']} {drawing['score']:.2f} #{drawing['id']}",
    )


def work(job: Document) -> Document:
    """Job `path`, `limits`, `fps`, `drawings` (file), `out` -> number of frames written."""
    limits = VideoLimits(**job["limits"])
    painter = Painter(json.loads(Path(job["drawings"]).read_text()))
    container, stream, _ = open_video(Path(job["path"]), limits.max_pixels)
    count = 0
    damage: list[str] = []
    with container, av.open(job["out"], "w", options={"movflags": "faststart"}) as output:
        target: VideoStream | None = None
        last = -1
        for frame in decoded(container.decode(stream), damage):
            image = painter.paint(upright(frame, rotation_of(frame)), count)
            if target is None:
                target = _stream(output, image, job["fps"])
            # times must increase, otherwise the file can't be written
            last = max(last + 1, round(seconds(frame, stream, count) / TIME_BASE))
            _write(output, target, image, last)
            count += 1
            if count % PROGRESS_EVERY == 0:
                send({"progress": count})
        if target is not None:
            output.mux(target.encode())
    return {"frames": count}


def _stream(output: av.container.OutputContainer, image: U8, fps: float) -> VideoStream:
    stream = output.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
    stream.height, stream.width = (max(2, side // 2 * 2) for side in image.shape[:2])
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = TIME_BASE
    stream.options = {"crf": "20", "preset": "veryfast", "threads": "1"}
    return stream


def _write(output: av.container.OutputContainer, stream: VideoStream, image: U8, pts: int) -> None:
    even = np.zeros((stream.height, stream.width, 3), np.uint8)
    height, width = (min(a, b) for a, b in zip(even.shape[:2], image.shape[:2], strict=True))
    even[:height, :width] = image[:height, :width]
    frame = av.VideoFrame.from_ndarray(even, format="rgb24")
    frame.pts, frame.time_base = pts, TIME_BASE
    output.mux(stream.encode(frame))


if __name__ == "__main__":
    child_main(work)

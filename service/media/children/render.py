"""Child process: decode again, draw, encode."""

import json
import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from service.media.children.child_main import Document, child_main, send
from service.media.children.decode import decoded
from service.media.color import ToPlanes, assume_matrix, hdr, tag
from service.media.limits import VideoLimits
from service.media.painter import Shape, paint
from service.media.resize import upright
from service.media.sound import MP4, SILENT, Span, add_sound
from service.media.stream import open_video, rotation_of, time_of
from service.media.times import clock_shifts
from service.structures.arrays import U8
from service.structures.masks import decode_part, from_json

TIME_BASE = Fraction(1, 90_000)
PROGRESS_EVERY = 5
SQUARE = Fraction(1)
NICE = 5
"""Added to the niceness: an overlay is drawn beside jobs, which come first on a machine with few cores."""


class Painter:
    """Draws the objects of one frame."""

    def __init__(self, drawings: list[Document]) -> None:
        self._drawings = drawings

    def paint(self, image: U8, t: int) -> U8:
        """Frame `t`, (H, W, 3) uint8 RGB -> the same with its objects."""
        shapes = [shape for drawing in self._drawings if (shape := _shape(drawing, t, image.shape[:2])) is not None]
        return paint(image, shapes) if shapes else image


def _shape(drawing: Document, t: int, hw: tuple[int, ...]) -> Shape | None:
    """The shape of an object in frame `t` of this size, if it is visible."""
    place = t - drawing["start"]
    if not 0 <= place < len(drawing["masks"]) or drawing["masks"][place] is None:
        return None
    rle = from_json(drawing["masks"][place])
    if rle.size_hw != hw:
        return None  # the stream has changed its size: masks belong to the first one
    part, corner = decode_part(rle)
    return Shape(
        number=drawing["id"] - 1,
        mask=part,
        box=np.array(drawing["boxes"][place], np.float32),
        label=f"{drawing['name']} {drawing['score']:.2f} #{drawing['id']}",
        corner_xy=corner,
    )


class Overlay:
    """The video that is written.

    Args:
        output: the container.
        times: of the frames, in seconds; further frames follow at the frame rate.
        fps: the frame rate, which also determines the duration of the last frame.
        pixel_shape: width of a pixel relative to its height, before rotation.
    """

    def __init__(
        self, output: OutputContainer, times: Sequence[float], fps: float, pixel_shape: Fraction = SQUARE
    ) -> None:
        self._output, self._times, self._fps, self._pixel_shape = output, times, fps, pixel_shape
        self._planes = ToPlanes()
        self._stream: VideoStream | None = None
        self._pts = -1
        self.frames = 0

    @property
    def seconds(self) -> float:
        """Duration up to the end of the last frame."""
        return float(self._pts * TIME_BASE) + 1 / self._fps

    def add(self, image: U8, source: VideoFrame) -> None:
        """Append an image (H, W, 3) uint8 RGB; `source` is the original frame."""
        if self._stream is None:
            self._stream = self._opened(image, source)
        self._pts = max(self._pts + 1, self._next_pts())
        stream = self._stream
        even = np.zeros((stream.height, stream.width, 3), np.uint8)
        height, width = (min(a, b) for a, b in zip(even.shape[:2], image.shape[:2], strict=True))
        even[:height, :width] = image[:height, :width]
        frame = self._planes(even)
        frame.pts, frame.time_base = self._pts, TIME_BASE
        self._output.mux(stream.encode(frame))
        self.frames += 1

    def finish(self) -> None:
        """Write the frames that the encoder has buffered."""
        if self._stream is not None:
            self._output.mux(self._stream.encode())

    def _next_pts(self) -> int:
        if self.frames < len(self._times):
            return round((self._times[self.frames] - self._times[0]) / TIME_BASE)
        return self._pts + round(1 / self._fps / TIME_BASE) if self.frames else 0

    def _opened(self, image: U8, source: VideoFrame) -> VideoStream:
        stream = self._output.add_stream("libx264", rate=Fraction(self._fps).limit_denominator(1000))
        stream.height, stream.width = (max(2, side // 2 * 2) for side in image.shape[:2])
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = TIME_BASE
        turned = rotation_of(source) % 180 != 0
        stream.codec_context.sample_aspect_ratio = 1 / self._pixel_shape if turned else self._pixel_shape
        tag(stream.codec_context, source)
        if kind := hdr(source):
            self._output.metadata["comment"] = f"HDR ({kind}), not tone-mapped"
        # MP4 counts decoding times: with reordered frames (B-frames) a pause near the end would be lost
        stream.options = {"crf": "20", "preset": "veryfast", "threads": "1", "bf": "0"}
        return stream


def work(job: Document) -> Document:
    """Job `path`, `limits`, `fps`, `times`, `drawings` (file), `out` -> number of `frames` written, maybe `notes`."""
    limits, path, out = VideoLimits(**job["limits"]), Path(job["path"]), Path(job["out"])
    times: Sequence[float] = job.get("times", ())
    painter = Painter(json.loads(Path(job["drawings"]).read_text()))
    container, stream, _ = open_video(path, limits.max_pixels)
    silent = out.with_suffix(SILENT)
    kind: str | None = None
    stored: list[float | None] = []
    try:
        with container, av.open(str(silent), "w", options=MP4) as output:
            overlay = Overlay(output, times, job["fps"], stream.sample_aspect_ratio or SQUARE)
            rate = float(stream.average_rate or 0)
            for frame in decoded(container.decode(stream), []):
                stored.append(time_of(frame))
                kind = hdr(frame)
                assume_matrix(frame)
                overlay.add(painter.paint(upright(frame, rotation_of(frame)), overlay.frames), frame)
                if overlay.frames % PROGRESS_EVERY == 0:
                    send({"progress": overlay.frames})
            overlay.finish()
        begin = times[0] if times else 0.0
        span = Span(begin, begin + overlay.seconds, clock_shifts(stored, rate))
        missing = add_sound(silent, path, out, span, _still_there(overlay.frames))
    finally:
        silent.unlink(missing_ok=True)
    notes = [f"the video is HDR ({kind}) and is not tone-mapped"] if kind else []
    notes += [f"the sound is left out: {missing}"] if missing else []
    return {"frames": overlay.frames, **({"notes": notes} if notes else {})}


def _still_there(frames: int) -> Callable[[], None]:
    """Report progress regularly while no frames are drawn, so that the child is not considered stalled."""
    packets = count()

    def note() -> None:
        if next(packets) % (20 * PROGRESS_EVERY) == 0:
            send({"progress": frames})

    return note


if __name__ == "__main__":
    os.nice(NICE)
    child_main(work)

"""Child: decode again, draw, encode."""

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import supervision as sv
from av.video.stream import VideoStream

from service.media.child import Document, child_main, say
from service.media.decode_child import decoded
from service.media.limits import VideoLimits
from service.media.stream import open_video, rotation_of, seconds, upright
from service.structures.arrays import U8
from service.structures.masks import decode, from_json

TIME_BASE = Fraction(1, 90_000)
PROGRESS_EVERY = 5
PALETTE = sv.ColorPalette.from_hex(
    ["#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#f032e6", "#bfef45", "#fabed4", "#469990"]
)


class Painter:
    """Draws the objects of one frame."""

    def __init__(self, drawings: list[Document]) -> None:
        self._drawings = drawings
        lookup = sv.ColorLookup.TRACK
        self._mask = sv.MaskAnnotator(color=PALETTE, opacity=0.5, color_lookup=lookup)
        self._box = sv.BoxAnnotator(color=PALETTE, thickness=1, color_lookup=lookup)
        self._label = sv.LabelAnnotator(color=PALETTE, text_scale=0.4, text_padding=3, color_lookup=lookup)

    def paint(self, image: U8, t: int) -> U8:
        """Frame `t`, (H, W, 3) uint8 RGB -> the same with its objects."""
        there = [d for d in self._drawings if t < len(d["masks"]) and d["masks"][t] is not None]
        if not there:
            return image
        masks = np.stack([decode(from_json(d["masks"][t])) for d in there])
        if masks.shape[1:] != image.shape[:2]:
            return image  # the stream changed its size: masks belong to the first one
        detections = sv.Detections(
            xyxy=np.array([d["boxes"][t] for d in there], np.float32),
            mask=masks,
            tracker_id=np.array([d["id"] - 1 for d in there]),
            class_id=np.zeros(len(there), np.int64),
        )
        labels = [f"{d['name']} {d['score']:.2f} #{d['id']}" for d in there]
        scene = self._mask.annotate(image[..., ::-1].copy(), detections)
        scene = self._box.annotate(scene, detections)
        scene = self._label.annotate(scene, detections, labels=labels)
        return np.ascontiguousarray(scene[..., ::-1])


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
            # times must grow: a file with equal or falling ones would not be written
            last = max(last + 1, round(seconds(frame, stream, count) / TIME_BASE))
            _write(output, target, image, last)
            count += 1
            if count % PROGRESS_EVERY == 0:
                say({"progress": count})
        if target is not None:
            output.mux(target.encode())
    return {"frames": count}


def _stream(output: av.container.OutputContainer, image: U8, fps: float) -> VideoStream:
    stream = output.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
    stream.height, stream.width = (side // 2 * 2 for side in image.shape[:2])
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

"""Clips for the benchmark, derived from the bundled clip: the same frames on every machine, any size and length."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np

from service.media.stream import open_known
from service.structures.arrays import U8

SOURCE = Path(__file__).resolve().parents[2] / "demo" / "pedestrians.mp4"
ENCODER = {"preset": "veryfast", "crf": "20"}


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """A clip's size, number of frames and frame rate."""

    height: int = 360
    width: int = 640
    frames: int = 36
    rate: int = 10

    @property
    def name(self) -> str:
        """A file name."""
        return f"{self.width}x{self.height}-{self.frames}f-{self.rate}fps.mp4"


def make_clip(spec: ClipSpec, folder: Path) -> Path:
    """The bundled clip, cropped to the aspect ratio, resized, and played back and forth until it is long enough.

    Back and forth, so that no cut interrupts the motion. An existing file is used as is.
    """
    path = folder / spec.name
    if path.is_file():
        return path
    partial = path.with_suffix(".part.mp4")
    with av.open(str(partial), "w") as out:
        stream = out.add_stream("libx264", rate=spec.rate, options=ENCODER)
        stream.height, stream.width, stream.pix_fmt = spec.height, spec.width, "yuv420p"
        for number, index in zip(range(spec.frames), _to_and_fro(len(_source())), strict=False):
            image = av.VideoFrame.from_ndarray(_cut(_source()[index], spec), format="rgb24")
            image.pts, image.time_base = number, Fraction(1, spec.rate)
            out.mux(stream.encode(image))
        out.mux(stream.encode())
    return partial.rename(path)


@cache
def _source() -> tuple[U8, ...]:
    """Frames (576, 768, 3) uint8 RGB."""
    with open_known(SOURCE) as container:
        return tuple(np.asarray(f.to_ndarray(format="rgb24"), np.uint8) for f in container.decode(video=0))


def _to_and_fro(count: int) -> Iterator[int]:
    """Numbers 0, 1, …, n-1, n-2, …, 1, 0, 1, … endlessly."""
    while True:
        yield from range(count)
        yield from range(count - 2, 0, -1)


def _cut(image: U8, spec: ClipSpec) -> U8:
    """Center crop of the image at the clip's aspect ratio, resized to its size."""
    height, width = image.shape[:2]
    scale = min(height / spec.height, width / spec.width)
    rows, columns = round(spec.height * scale), round(spec.width * scale)
    top, left = (height - rows) // 2, (width - columns) // 2
    part = image[top : top + rows, left : left + columns]
    interpolation = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (spec.width, spec.height), interpolation=interpolation), np.uint8)

"""Small real videos for tests."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

ROOT = Path(__file__).parent.parent
PEDESTRIANS = ROOT / "demo" / "pedestrians.mp4"


def cut(path: Path, frames: int, *, hw: tuple[int, int] = (288, 384), source: Path = PEDESTRIANS) -> Path:
    """The first frames of the demo clip, smaller."""
    with av.open(str(source)) as given, av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"crf": "20"})
        stream.height, stream.width, stream.pix_fmt = *hw, "yuv420p"
        for index, frame in enumerate(given.decode(video=0)):
            if index == frames:
                break
            image = frame.reformat(width=hw[1], height=hw[0], format="yuv420p")
            image.pts, image.time_base = index, Fraction(1, 10)
            out.mux(stream.encode(image))
        out.mux(stream.encode())
    return path


def plain(path: Path, frames: int = 4, *, hw: tuple[int, int] = (96, 128), value: int = 128) -> Path:
    """Frames of one colour: nothing to find."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = *hw, "yuv420p"
        for _ in range(frames):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((*hw, 3), value, np.uint8), format="rgb24")))
        out.mux(stream.encode())
    return path

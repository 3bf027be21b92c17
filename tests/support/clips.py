"""Small real videos for tests."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from service.media.frames.clip import Clip
from service.media.frames.frame_writer import FrameWriter
from service.media.frames.stored_frames import StoredFrames
from service.media.video_info import VideoInfo

ROOT = Path(__file__).parents[2]
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
    """Frames of one color: nothing to find."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = *hw, "yuv420p"
        for _ in range(frames):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((*hw, 3), value, np.uint8), format="rgb24")))
        out.mux(stream.encode())
    return path


def tiny(path: Path, side: int) -> Path:
    """Three square frames; this codec takes a single pixel."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("qtrle", rate=10)
        stream.height, stream.width, stream.pix_fmt = side, side, "rgb24"
        for value in (0, 128, 255):
            image = np.full((side, side, 3), value, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode())
    return path


def stored(folder: Path, images: np.ndarray) -> Clip:
    """Images (T, h, w, 3) uint8 RGB, ten a second, as a clip; the networks see them in their size."""
    hw = images.shape[1:3]
    folder.mkdir()
    with FrameWriter(folder, hw, max_bytes=1 << 30) as writer:
        for index, image in enumerate(images):
            writer.add(av.VideoFrame.from_ndarray(image, format="rgb24"), index / 10)
        writer.finish()
    info = VideoInfo("raw", "rawvideo", hw[1], hw[0], len(images), len(images) / 10, 10.0, 0, False, images.nbytes)
    return Clip(StoredFrames(folder, hw, writer.codings), info)

"""How stored frames are coded: losslessly, each by itself, so that every frame is read at the same price."""

import base64
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from struct import Struct
from typing import Any, cast

import av
from av.video.codeccontext import VideoCodecContext

CODEC = "ffvhuff"
"""FFmpeg's lossless Huffman coder: of its lossless ones the cheapest to read (decision record 3)."""
RECORD = Struct("<dqB")
"""One frame in the index: its time in seconds, where its bytes end, which coding. Written by a child that does without
numpy: that takes longer to start than a short video to decode."""


@dataclass(frozen=True, slots=True)
class Coding:
    """What one coder takes.

    Attributes:
        pix_fmt: `yuv420p`, the planes of the video; or `rgb24`.
        hw: height and width as coded.
        rotation: degrees counter-clockwise by which a frame that was read is still to be turned.
        colorspace, color_range: what its conversion to RGB goes by, FFmpeg's numbers.
        extradata: the coder's tables; empty until it is open.
    """

    pix_fmt: str
    hw: tuple[int, int]
    rotation: int = 0
    colorspace: int = 0
    color_range: int = 0
    extradata: bytes = b""

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {**asdict(self), "extradata": base64.b64encode(self.extradata).decode()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Coding":
        """The inverse of `to_json`."""
        hw, tables = tuple(document["hw"]), base64.b64decode(document["extradata"])
        return cls(**{**document, "hw": hw, "extradata": tables})

    def encoder(self) -> VideoCodecContext:
        """A coder, open: its `extradata` are known."""
        context = self._context("w")
        context.time_base = Fraction(1, 1000)
        context.open()
        return context

    def decoder(self) -> VideoCodecContext:
        """Its inverse."""
        context = self._context("r")
        context.extradata = self.extradata
        return context

    def _context(self, mode: str) -> VideoCodecContext:
        context = cast("VideoCodecContext", av.CodecContext.create(CODEC, mode))  # type: ignore[call-overload]
        context.height, context.width = self.hw
        context.pix_fmt = self.pix_fmt
        context.thread_count = 1
        return context


def frames_file(folder: Path) -> Path:
    """The coded frames of a store, one after the other."""
    return folder / "frames"


def index_file(folder: Path) -> Path:
    """Its `RECORD`s."""
    return folder / "index"

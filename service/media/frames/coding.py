"""Coding of stored frames: lossless and intra-only, so that every frame takes the same time to read."""

import base64
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from struct import Struct
from typing import Any, cast

import av
from av.video.codeccontext import VideoCodecContext

CODEC = "ffvhuff"
"""FFmpeg's lossless Huffman codec, the fastest of its lossless codecs to decode (decision record 3)."""
RECORD = Struct("<dqB")
"""One frame in the index: time in seconds, end of its bytes, number of the coding. Written by a child without numpy,
whose import takes longer than decoding a short video."""


@dataclass(frozen=True, slots=True)
class Coding:
    """Parameters of one codec context.

    Attributes:
        pix_fmt: `yuv420p` for the planes of the video, or `rgb24`.
        hw: height and width as coded.
        rotation: degrees counter-clockwise by which a decoded frame must be rotated.
        colorspace, color_range: for the conversion to RGB, as FFmpeg's numbers.
        extradata: the codec's tables; empty until it is opened.
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
        """An open encoder, whose `extradata` is known."""
        context = self._context("w")
        context.time_base = Fraction(1, 1000)
        context.open()
        return context

    def decoder(self) -> VideoCodecContext:
        """The matching decoder."""
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
    """File with the coded frames of a store."""
    return folder / "frames"


def index_file(folder: Path) -> Path:
    """File with the `RECORD`s of a store."""
    return folder / "index"

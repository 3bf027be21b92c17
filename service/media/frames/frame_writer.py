"""Writes decoded frames to disk, in the child that decodes them."""

from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from dualtrack.errors import InvalidVideo
from service.media.frames.coding import RECORD, Coding, frames_file, index_file
from service.media.stream import rotation_of

PLANES = "yuv420p"


@dataclass(frozen=True, slots=True)
class Appearance:
    """Common properties of frames with the same coding, before scaling."""

    pix_fmt: str
    hw: tuple[int, int]
    rotation: int
    colorspace: int
    color_range: int
    interlaced: bool


class FrameWriter:
    """A folder of coded frames.

    Frames of 4:2:0 video keep their planes, which are scaled down to the networks' size and take half the bytes. Frames
    that differ from the first one, and all other video, are converted to RGB at full size and then resized.

    Args:
        folder: existing, empty folder.
        network_hw: height and width for the networks; smaller frames are not scaled.
        max_bytes: maximum size of all coded frames.
    """

    def __init__(self, folder: Path, network_hw: tuple[int, int], *, max_bytes: int) -> None:
        self._folder, self._network_hw, self._max_bytes = folder, network_hw, max_bytes
        self._out = frames_file(folder).open("wb")
        self._scaler = VideoReformatter()
        self._first: Appearance | None = None
        self._codings: list[Coding] = []
        self._encoders: list[VideoCodecContext] = []
        self._records: list[tuple[float, int, int]] = []
        self._bytes = 0

    def __enter__(self) -> "FrameWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.close()

    def __len__(self) -> int:
        return len(self._records)

    @property
    def codings(self) -> tuple[Coding, ...]:
        """The codings of the frames so far."""
        return tuple(self._codings)

    def add(self, frame: VideoFrame, seconds: float) -> None:
        """Append a frame with its time in seconds.

        Raises:
            InvalidVideo: the frames exceed `max_bytes`.
            OSError: the disk is full.
        """
        look = _look(frame)
        self._first = self._first or look
        coding = _planes(look, self._network_hw)
        if coding is not None and look == self._first:
            if coding.hw != look.hw:
                height, width = coding.hw
                frame = self._scaler.reformat(frame, width, height, interpolation=Interpolation.AREA, threads=1)
        else:
            coding, frame = self._rgb(frame)
        number = self._number(coding)
        frame.pts = len(self._records)
        for packet in self._encoders[number].encode(frame):
            self._bytes += packet.size
            if self._bytes > self._max_bytes:
                raise InvalidVideo(
                    f"video: its first {len(self)} frames exceed the limit max_store_bytes, {self._max_bytes} bytes",
                    code="too-many-frames",
                )
            self._out.write(packet)
        self._records.append((seconds, self._bytes, number))

    def finish(self) -> None:
        """Write the index."""
        self._out.flush()
        index_file(self._folder).write_bytes(b"".join(RECORD.pack(*record) for record in self._records))

    def _rgb(self, frame: VideoFrame) -> tuple[Coding, VideoFrame]:
        # imports numpy and OpenCV, which take longer than the rest of the child's start
        from service.media.resize import resized, upright  # noqa: PLC0415

        image = resized(upright(frame, rotation_of(frame)), self._network_hw)
        return Coding("rgb24", self._network_hw), VideoFrame.from_ndarray(image, format="rgb24")

    def _number(self, coding: Coding) -> int:
        """The number of a coding, opening its encoder if it is new."""
        known = [replace(coding, extradata=b"") for coding in self._codings]
        if coding not in known:
            encoder = coding.encoder()
            self._encoders.append(encoder)
            self._codings.append(replace(coding, extradata=bytes(encoder.extradata or b"")))
            return len(known)
        return known.index(coding)


def _look(frame: VideoFrame) -> Appearance:
    return Appearance(
        frame.format.name,
        (frame.height, frame.width),
        rotation_of(frame),
        int(frame.colorspace),
        int(frame.color_range),
        frame.interlaced_frame,
    )


def _planes(look: Appearance, network_hw: tuple[int, int]) -> Coding | None:
    """The coding for frames with this appearance that keeps their planes; None if that is impossible.

    The codec rejects odd sides in 4:2:0, and lines of interlaced frames are from two different times.
    """
    turned = look.rotation % 180 != 0
    wanted = network_hw[::-1] if turned else network_hw
    smaller = look.hw[0] <= wanted[0] and look.hw[1] <= wanted[1]
    height, width = look.hw if smaller else wanted
    if look.pix_fmt != PLANES or look.interlaced or height % 2 or width % 2:
        return None
    return Coding(PLANES, (height, width), look.rotation, look.colorspace, look.color_range)

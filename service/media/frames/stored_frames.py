"""Reads stored frames in any order, in bounded memory."""

import shutil
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from service.media.frames.coding import Coding, frames_file, index_file
from service.media.resize import resized
from service.structures.arrays import F64, U8

INDEX = np.dtype([("seconds", "<f8"), ("end", "<i8"), ("coding", "u1")])
"""The writer's `RECORD` as a numpy dtype."""
RECENT_BYTES = 32 << 20
"""Budget for recently read frames, so that a frame used several times in a row is decoded once."""


class StoredFrames:
    """Frames written by a `FrameWriter`. Not thread-safe.

    Args:
        folder: the writer's folder, removed by `close`.
        network_hw: height and width of the frames as returned.
        codings: the writer's codings.
        recent_bytes: budget for frames kept in memory.
    """

    def __init__(
        self, folder: Path, network_hw: tuple[int, int], codings: Sequence[Coding], *, recent_bytes: int = RECENT_BYTES
    ) -> None:
        self.network_hw = network_hw
        self._folder, self._codings = folder, codings
        self._index = np.fromfile(index_file(folder), INDEX)
        self._file = frames_file(folder).open("rb", buffering=0)
        self._decoders = [coding.decoder() for coding in codings]
        self._converter = VideoReformatter()
        self._recent: OrderedDict[int, U8] = OrderedDict()
        self._most_recent = max(1, recent_bytes // (network_hw[0] * network_hw[1] * 3))

    def __len__(self) -> int:
        return len(self._index)

    @property
    def timestamps(self) -> F64:
        """(T,) seconds."""
        return np.asarray(self._index["seconds"], np.float64)

    def read(self, index: int) -> U8:
        """Frame `index`, (h, w, 3) uint8 RGB of `network_hw`; read-only.

        Raises:
            IndexError: the frame does not exist.
            ValueError: the store is closed.
        """
        if self._file.closed:
            raise ValueError("clip: closed")
        if not 0 <= index < len(self):
            raise IndexError(f"clip: expected a frame from 0 to {len(self) - 1}, got {index}")
        if index not in self._recent:
            self._recent[index] = self._decode(index)
            if len(self._recent) > self._most_recent:
                self._recent.popitem(last=False)
        self._recent.move_to_end(index)
        return self._recent[index]

    def close(self) -> None:
        """Free the disk space."""
        self._file.close()
        self._recent.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _decode(self, index: int) -> U8:
        number = int(self._index["coding"][index])
        coding = self._codings[number]
        (frame,) = self._decoders[number].decode(av.Packet(self._bytes(index)))
        # not stored in the coded frame
        frame.colorspace, frame.color_range = coding.colorspace, coding.color_range
        image = np.rot90(self._rgb(frame), coding.rotation // 90)
        image = resized(np.ascontiguousarray(image), self.network_hw)
        image.flags.writeable = False
        return image

    def _rgb(self, frame: VideoFrame) -> U8:
        return np.asarray(self._converter.reformat(frame, format="rgb24", threads=1).to_ndarray(), np.uint8)

    def _bytes(self, index: int) -> bytes:
        start = int(self._index["end"][index - 1]) if index else 0
        size = int(self._index["end"][index]) - start
        self._file.seek(start)
        return self._file.read(size)

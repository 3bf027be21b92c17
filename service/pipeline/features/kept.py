"""Features of frames, float16, where they are cheapest to have again: in memory, then on disk."""

import os
import tempfile
import weakref
from collections import OrderedDict
from pathlib import Path

import numpy as np

from service.pipeline.features.half import F16

Halves = tuple[F16, F16]
"""f4 (C4, H/4, W/4) and f8 (C8, H/8, W/8) of one frame."""


class KeptFeatures:
    """Features by frame. When memory is full, the least recently used go to disk, while there is room.

    What lies on disk stays there: two sweeps read every frame in turn, and a frame that made room for another would
    be the very next that is missed.

    Args:
        max_bytes: in memory.
        spill: on disk, if there.
    """

    def __init__(self, max_bytes: int, spill: "FeatureSpill | None" = None) -> None:
        self._max_bytes, self._spill = max_bytes, spill
        self._bytes = 0
        self._kept: OrderedDict[int, Halves] = OrderedDict()

    def put(self, frame: int, halves: Halves) -> None:
        """Keep the features of a frame, as the budgets allow."""
        self._drop(frame)
        self._kept[frame] = halves
        self._bytes += _size(halves)
        while self._bytes > self._max_bytes:
            oldest = next(iter(self._kept))
            dropped = self._drop(oldest)
            if self._spill is not None and dropped is not None:
                self._spill.put(oldest, dropped)

    def get(self, frame: int) -> Halves | None:
        """The features of a frame, None if they are not kept."""
        if frame in self._kept:
            self._kept.move_to_end(frame)
            return self._kept[frame]
        return None if self._spill is None else self._spill.get(frame)

    def _drop(self, frame: int) -> Halves | None:
        halves = self._kept.pop(frame, None)
        if halves is not None:
            self._bytes -= _size(halves)
        return halves


class FeatureSpill:
    """Features of frames on disk, the first that come, all of one shape.

    The file has no name: its space is free as soon as nobody has the spill any more, also after a kill. A disk that
    is full or can't be written to keeps nothing, and no run fails of it.

    Args:
        folder: where, created if missing.
        max_bytes: budget.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes
        self._file: int | None = None
        self._places: dict[int, int] = {}
        self._shapes: tuple[tuple[int, ...], ...] = ()

    def put(self, frame: int, halves: Halves) -> None:
        """Keep the features of a frame that is not kept yet, if there is room."""
        if frame in self._places or (len(self._places) + 1) * _size(halves) > self._max_bytes:
            return
        place = len(self._places)
        try:
            written = os.pwritev(
                self._open(), [np.ascontiguousarray(half).data for half in halves], place * _size(halves)
            )
        except OSError:
            written = 0
        if written < _size(halves):
            self._max_bytes = 0  # no room for further ones either
            return
        self._shapes = tuple(half.shape for half in halves)
        self._places[frame] = place

    def get(self, frame: int) -> Halves | None:
        """The features of a frame, None if they are not here, or the disk does not give them back."""
        if frame not in self._places:
            return None
        f4, f8 = (np.empty(shape, np.float16) for shape in self._shapes)
        try:
            read = os.preadv(self._open(), [f4.data, f8.data], self._places[frame] * _size((f4, f8)))
        except OSError:
            read = 0
        return (f4, f8) if read == _size((f4, f8)) else None

    def _open(self) -> int:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file, name = tempfile.mkstemp(suffix=".features", dir=self._folder)
            weakref.finalize(self, os.close, self._file)
            os.unlink(name)
        return self._file


def _size(halves: Halves) -> int:
    return sum(half.nbytes for half in halves)

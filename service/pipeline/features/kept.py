"""Storage of features as float16, in memory and then on disk."""

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
    """Features by frame. When memory is full, the least recently used are moved to disk, while there is space.

    Nothing is evicted from disk: the two sweeps read all frames in turn, so an evicted frame would be needed soonest.

    Args:
        max_bytes: memory budget.
        spill: disk storage, if any.
    """

    def __init__(self, max_bytes: int, spill: "FeatureSpill | None" = None) -> None:
        self._max_bytes, self._spill = max_bytes, spill
        self._bytes = 0
        self._kept: OrderedDict[int, Halves] = OrderedDict()

    def put(self, frame: int, halves: Halves) -> None:
        """Store the features of a frame, if the budgets allow."""
        self._drop(frame)
        self._kept[frame] = halves
        self._bytes += _size(halves)
        while self._bytes > self._max_bytes:
            oldest = next(iter(self._kept))
            dropped = self._drop(oldest)
            if self._spill is not None and dropped is not None:
                self._spill.put(oldest, dropped)

    def get(self, frame: int) -> Halves | None:
        """The features of a frame, or None if they are not stored."""
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
    """Features of frames on disk, all of the same shape, until the budget is used up.

    The file is unlinked, so its space is freed when the process ends, even if killed. If the disk is full or not
    writable, nothing is stored, and the run does not fail.

    Args:
        folder: created if missing.
        max_bytes: disk budget.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes
        self._file: int | None = None
        self._places: dict[int, int] = {}
        self._shapes: tuple[tuple[int, ...], ...] = ()

    def put(self, frame: int, halves: Halves) -> None:
        """Store the features of a frame that is not stored yet, if there is space."""
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
            self._max_bytes = 0  # no space for further ones either
            return
        self._shapes = tuple(half.shape for half in halves)
        self._places[frame] = place

    def get(self, frame: int) -> Halves | None:
        """The features of a frame, or None if they are not stored or can't be read."""
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

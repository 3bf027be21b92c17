"""Compact storage for the masks of many frames: run lengths are concatenated, masks are created on access."""

from collections.abc import Sequence
from typing import overload

import numpy as np

from service.structures.arrays import I64
from service.structures.masks import Rle


class PackedMasks(Sequence[Rle | None]):
    """A sequence of masks of the same frame size, or None.

    An `Rle` object takes about 200 bytes in addition to its run lengths, which are of similar size; in an hour-long
    video that matters.

    Args:
        masks: all of the same size.
    """

    __slots__ = ("_counts", "_ends", "_size_hw", "_there")

    def __init__(self, masks: Sequence[Rle | None]) -> None:
        self._counts = b"".join(mask.counts for mask in masks if mask is not None)
        lengths = np.array([0 if mask is None else len(mask.counts) for mask in masks], np.int64)
        self._ends: I64 = np.cumsum(lengths)
        self._there = np.array([mask is not None for mask in masks], np.bool_)
        self._size_hw = next((mask.size_hw for mask in masks if mask is not None), (0, 0))
        if differ := {mask.size_hw for mask in masks if mask is not None} - {self._size_hw}:
            raise ValueError(f"masks: expected all of size {self._size_hw}, got {sorted(differ)}")

    def __len__(self) -> int:
        return len(self._there)

    @overload
    def __getitem__(self, index: int) -> Rle | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Rle | None]: ...
    def __getitem__(self, index: int | slice) -> Rle | Sequence[Rle | None] | None:
        places = range(len(self))[index]
        return tuple(self._mask(i) for i in places) if isinstance(places, range) else self._mask(places)

    def _mask(self, place: int) -> Rle | None:
        if not self._there[place]:
            return None
        begin = int(self._ends[place - 1]) if place else 0
        return Rle(self._size_hw, self._counts[begin : int(self._ends[place])])

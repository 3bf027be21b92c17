"""Regions of shared memory, mapped by this process and a Triton server on the same host.

A region is a file in /dev/shm. Its owner holds a lock on a file next to it, which the kernel releases when the owner
dies for any reason, so that the next process to start can remove orphaned regions. Unlike process ids, this also works
across containers.
"""

import contextlib
import fcntl
import mmap
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PREFIX = "dualtrack-"
SHM = Path("/dev/shm")  # noqa: S108 (the only location of POSIX shared memory)
ALIGN = 64
LARGEST_WASTE = 4
"""A free region is used for a call that needs at least 1 / `LARGEST_WASTE` of it."""


@dataclass(frozen=True, eq=False)
class Region:
    """One region.

    Attributes:
        name: of the region at the server, and of its file in /dev/shm.
        data: uint8 (size,).
    """

    name: str
    data: NDArray[np.uint8]


class Regions:
    """The regions of one client, kept for reuse.

    Args:
        max_bytes: budget for all regions.
        folder: location of shared memory.
    """

    def __init__(self, *, max_bytes: int, folder: Path = SHM) -> None:
        self._folder, self._max_bytes = folder, max_bytes
        self._owner = f"{PREFIX}{uuid.uuid4().hex[:12]}"
        self._bytes = self._made = 0
        self._free: list[Region] = []
        self._lock = self._hold()

    def take(self, size: int) -> Region | None:
        """A free region of at least `size` bytes; None if there is not enough space."""
        fitting = [region for region in self._free if size <= region.data.size <= LARGEST_WASTE * size]
        if fitting:
            region = min(fitting, key=lambda region: region.data.size)
            self._free.remove(region)
            return region
        if self._bytes + size > self._max_bytes:
            return None
        return self._make(size)

    def give(self, region: Region) -> None:
        """Return a region for reuse; must not be called while the server may still write to it."""
        self._free.append(region)

    def retire(self, size: int) -> list[Region]:
        """Free regions that take up the room for one of `size`; the caller discards them, or gives them back."""
        retired: list[Region] = []
        room = self._max_bytes - self._bytes
        while self._free and room < size <= self._max_bytes:
            retired.append(self._free.pop(0))
            room += retired[-1].data.size
        return retired

    def discard(self, region: Region) -> None:
        """Give up a region that others may still write to: its name, its room, and the memory once nobody maps it."""
        (self._folder / region.name).unlink(missing_ok=True)
        self._bytes -= region.data.size

    def close(self) -> None:
        """Remove all files; arrays still in use remain valid."""
        self._free.clear()
        if self._lock >= 0:
            _remove(self._folder, self._owner)
            os.close(self._lock)
            self._lock = -1

    def _hold(self) -> int:
        """Acquire the lock; the file gets its final name only then, so that no sweep mistakes it for a dead owner's."""
        early = self._folder / f"{self._owner}.new"
        descriptor = os.open(early, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        early.rename(self._folder / f"{self._owner}.lock")
        return descriptor

    def _make(self, size: int) -> Region | None:
        name = f"{self._owner}-{self._made}"
        path = self._folder / name
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            # with a sparse file, both processes would be killed (SIGBUS) if /dev/shm gets full
            os.posix_fallocate(descriptor, 0, size)
            data = np.frombuffer(mmap.mmap(descriptor, size), np.uint8)
        except OSError:
            path.unlink()
            return None
        finally:
            os.close(descriptor)
        self._made += 1
        self._bytes += size
        return Region(name, data)


def sweep(folder: Path = SHM) -> None:
    """Remove the regions of owners that have died."""
    for lock in folder.glob(f"{PREFIX}*.lock"):
        with contextlib.suppress(OSError):
            descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder, lock.stem)
            finally:
                os.close(descriptor)


def is_stale(name: str, folder: Path = SHM) -> bool:
    """Whether a region registered at a server is one of ours whose file is gone."""
    return name.startswith(PREFIX) and not (folder / name).exists()


def _remove(folder: Path, owner: str) -> None:
    """Remove an owner's files, the lock last, so that an interrupted sweep can be repeated."""
    for path in [*folder.glob(f"{owner}-*"), folder / f"{owner}.lock"]:
        path.unlink(missing_ok=True)

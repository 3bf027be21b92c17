"""What one run can reuse from an earlier run of the same video: a byte-budgeted cache on disk.

`keys` says what is kept under which key. A cache that is full, can't be written or has unreadable files never makes a
run fail.
"""

import contextlib
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")
FORMAT = 1
"""Of the files. Counts up when anything in them is written in another way (`codec`, `ClipFacts`, `pack_round`)."""
HEADER = re.compile(rb"dualtrack cache ([0-9]{1,9})\n")
"""What a file begins with; one without it is of format 0, before formats had numbers."""


class StageCache(Protocol):
    """Bytes by key. `checkpoint` marks what is a checkpoint; it is passed on to `note` (`FolderCache`)."""

    def get(self, key: str, *, checkpoint: bool = False) -> bytes | None:
        """The bytes kept under `key`, or None."""
        ...

    def put(self, key: str, data: bytes, *, checkpoint: bool = False) -> None:
        """Keep `data`, if there is room."""
        ...

    def drop(self, key: str) -> None:
        """Keep it no longer, if it is there."""
        ...


def recall(cache: StageCache, key: str, unpack: Callable[[bytes], T], *, checkpoint: bool = False) -> T | None:
    """What is kept under `key`; None if nothing is, or nothing that `unpack` can read."""
    data = cache.get(key, checkpoint=checkpoint)
    try:
        return None if data is None else unpack(data)
    except ValueError:
        return None


class NoCache:
    """Keeps nothing."""

    def get(self, key: str, *, checkpoint: bool = False) -> bytes | None:  # noqa: ARG002 (the protocol's signature)
        """Nothing is ever found."""
        return None

    def put(self, key: str, data: bytes, *, checkpoint: bool = False) -> None:
        """Drop it."""

    def drop(self, key: str) -> None:
        """There is nothing."""


@dataclass(frozen=True, slots=True)
class CacheNote:
    """The file under `key` was written, read or removed.

    Attributes:
        key: of the cache.
        size_bytes: of the file; None: it was removed.
        checkpoint: a checkpoint was written, or was found by the attempt that resumes from it.
    """

    key: str
    size_bytes: int | None
    checkpoint: bool = False


class FolderCache:
    """One file per key; the least recently used ones go first.

    Args:
        root: folder, made when needed.
        max_bytes: budget of all files together.
        note: called for every file that is used or removed.
    """

    def __init__(self, root: Path, *, max_bytes: int, note: Callable[[CacheNote], None] = lambda _: None) -> None:
        self._root, self._max_bytes, self._note = root, max_bytes, note

    def get(self, key: str, *, checkpoint: bool = False) -> bytes | None:
        """The bytes kept under `key`, or None; None also for a file of another format."""
        path = self._root / key
        try:
            file = path.read_bytes()
            data = _content(key, file)
            if data is None:
                return None
            os.utime(path)
        except OSError:
            return None
        self._note(CacheNote(key, len(file), checkpoint))
        return data

    def put(self, key: str, data: bytes, *, checkpoint: bool = False) -> None:
        """Keep `data` unless it alone is over the budget or the disk refuses."""
        file = b"dualtrack cache %d\n" % FORMAT + data
        if len(file) > self._max_bytes:
            return
        path = self._root / key
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(file)
            partial.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink()
            return
        self._note(CacheNote(key, len(file), checkpoint))
        with contextlib.suppress(OSError):
            self._evict()

    def drop(self, key: str) -> None:
        """Keep it no longer, if it is there."""
        path = self._root / key
        with contextlib.suppress(OSError):
            path.unlink()
            self._gone(path)

    def _evict(self) -> None:
        total = 0
        for _, size, path in sorted(self._files(), reverse=True):
            total += size
            if total > self._max_bytes:
                path.unlink(missing_ok=True)
                self._gone(path)

    def _gone(self, path: Path) -> None:
        self._note(CacheNote(str(path.relative_to(self._root)), None))
        with contextlib.suppress(OSError):  # the video has other files here
            path.parent.rmdir()

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Last use, size and path of every file; another process may remove some meanwhile."""
        for folder, _, names in os.walk(self._root):
            for path in (Path(folder, name) for name in names):
                with contextlib.suppress(OSError):
                    stat = path.stat()
                    yield stat.st_mtime, stat.st_size, path


def _content(key: str, file: bytes) -> bytes | None:
    """What was kept, without the header; None if the file is of another format."""
    header = HEADER.match(file)
    number = 0 if header is None else int(header[1])
    if number > FORMAT:
        log.warning("cache %s: its format %d is newer than %d, the newest that this version reads", key, number, FORMAT)
    return file[header.end() :] if header is not None and number == FORMAT else None

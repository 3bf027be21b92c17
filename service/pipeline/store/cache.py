"""Cache on disk, with a byte budget, of results that later runs of the same video can reuse.

`keys` defines the keys. A file consists of two lines and the stored bytes:

    dualtrack cache 3       its format
    9f86d0…                 SHA-256 of the bytes
    …

A run never fails because the cache is full, not writable, or has damaged files: a damaged file is removed, and its
content is computed again.
"""

import contextlib
import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from dualtrack.whole_file import written_whole

log = logging.getLogger(__name__)
T = TypeVar("T")
FORMAT = 3
"""Format number of the files. Increment on any change of their encoding (`codec`, `ClipFacts`, `pack_round`)."""
HEADER = re.compile(rb"dualtrack cache ([0-9]{1,9})\n")
"""Header of a file; files without it have format 0, from before formats were numbered."""
DIGEST_LINE = hashlib.sha256().digest_size * 2 + 1


class StageCache(Protocol):
    """Bytes by key. `checkpoint` marks checkpoints, and is passed to `note` (`FolderCache`)."""

    def get(self, key: str, *, checkpoint: bool = False) -> bytes | None:
        """The bytes stored under `key`, or None."""
        ...

    def put(self, key: str, data: bytes, *, checkpoint: bool = False) -> None:
        """Store `data` if there is space."""
        ...

    def drop(self, key: str) -> None:
        """Delete the entry if it exists."""
        ...


def recall(cache: StageCache, key: str, unpack: Callable[[bytes], T], *, checkpoint: bool = False) -> T | None:
    """The value stored under `key`; None if there is none. A value that `unpack` can't read is removed."""
    data = cache.get(key, checkpoint=checkpoint)
    try:
        return None if data is None else unpack(data)
    except ValueError as error:
        log.warning("cache %s: removed, to be computed again: %s", key, error)
        cache.drop(key)
        return None


class NoCache:
    """A cache that stores nothing."""

    def get(self, key: str, *, checkpoint: bool = False) -> bytes | None:  # noqa: ARG002 (the protocol's signature)
        """Always None."""
        return None

    def put(self, key: str, data: bytes, *, checkpoint: bool = False) -> None:
        """Do nothing."""

    def drop(self, key: str) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class CacheNote:
    """The file under `key` was written, read or removed.

    Attributes:
        key: in the cache.
        size_bytes: of the file; None if it was removed.
        checkpoint: whether it is a checkpoint that was written, or found by a resuming attempt.
    """

    key: str
    size_bytes: int | None
    checkpoint: bool = False


class FolderCache:
    """One file per key; the least recently used ones are evicted first.

    Args:
        root: folder, created when needed.
        max_bytes: budget for all files.
        note: called for every file that is used or removed.
    """

    def __init__(self, root: Path, *, max_bytes: int, note: Callable[[CacheNote], None] = lambda _: None) -> None:
        self._root, self._max_bytes, self._note = root, max_bytes, note

    def get(self, key: str, *, checkpoint: bool = False) -> bytes | None:
        """The bytes stored under `key`, or None; also None for another format, and for a damaged file, which goes."""
        path = self._root / key
        try:
            file = path.read_bytes()
            data = _content(key, file)
            if data is None:
                return None
            os.utime(path)
        except OSError:
            return None
        except ValueError as error:
            log.warning("cache %s: removed, to be computed again: %s", key, error)
            self.drop(key)
            return None
        self._note(CacheNote(key, len(file), checkpoint))
        return data

    def put(self, key: str, data: bytes, *, checkpoint: bool = False) -> None:
        """Store `data` unless it alone exceeds the budget or writing fails."""
        file = b"dualtrack cache %d\n%s\n%s" % (FORMAT, hashlib.sha256(data).hexdigest().encode(), data)
        if len(file) > self._max_bytes:
            return
        path = self._root / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as partial:
                partial.write_bytes(file)
        except OSError:
            with contextlib.suppress(OSError):  # the video has other files here
                path.parent.rmdir()
            return
        self._note(CacheNote(key, len(file), checkpoint))
        with contextlib.suppress(OSError):
            self._evict()

    def drop(self, key: str) -> None:
        """Delete the entry if it exists."""
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
        with contextlib.suppress(OSError):  # the folder has other files of the video
            path.parent.rmdir()

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Last use, size and path of every file; other processes may remove files concurrently."""
        for folder, _, names in os.walk(self._root):
            for path in (Path(folder, name) for name in names):
                with contextlib.suppress(OSError):
                    stat = path.stat()
                    yield stat.st_mtime, stat.st_size, path


def _content(key: str, file: bytes) -> bytes | None:
    """The content without the header; None if the file has another format.

    Raises:
        ValueError: the content differs from what was written.
    """
    header = HEADER.match(file)
    number = 0 if header is None else int(header[1])
    if number > FORMAT:
        log.warning("cache %s: its format %d is newer than %d, the newest that this version reads", key, number, FORMAT)
    if header is None or number != FORMAT:
        return None
    start = header.end() + DIGEST_LINE
    data = file[start:]
    if file[header.end() : start] != hashlib.sha256(data).hexdigest().encode() + b"\n":
        raise ValueError(f"its {len(data)} bytes do not match their checksum")
    return data

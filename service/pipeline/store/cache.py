"""What one run can reuse from an earlier run of the same video: a byte-budgeted cache on disk.

`keys` says what is kept under which key. A file is two lines and the bytes that were put:

    dualtrack cache 2       its format
    9f86d0…                 SHA-256 of the bytes
    …

A cache that is full, can't be written, or has damaged files never makes a run fail: a damaged file is removed, and
what was in it is computed again.
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
FORMAT = 2
"""Of the files. Counts up when anything in them is written in another way (`codec`, `ClipFacts`, `pack_round`)."""
HEADER = re.compile(rb"dualtrack cache ([0-9]{1,9})\n")
"""What a file begins with; one without it is of format 0, before formats had numbers."""
DIGEST_LINE = hashlib.sha256().digest_size * 2 + 1


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
    """What is kept under `key`; None if nothing is. What `unpack` can't read is kept no longer."""
    data = cache.get(key, checkpoint=checkpoint)
    try:
        return None if data is None else unpack(data)
    except ValueError as error:
        log.warning("cache %s: removed, to be computed again: %s", key, error)
        cache.drop(key)
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
        """The bytes kept under `key`, or None: also for a file of another format, and a damaged one, which goes."""
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
        """Keep `data` unless it alone is over the budget or the disk refuses."""
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
    """What was kept, without the header; None if the file is of another format.

    Raises:
        ValueError: the bytes are not those that were written.
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

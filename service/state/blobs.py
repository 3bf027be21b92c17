"""Files on disk: videos and files of detections under the hash of their content, results under job and attempt.

Every published file has a name of its own, even if it holds what another one holds: so one of its owners can remove it
without touching what another one has just stored. Which name counts, the stores in Redis say (`videos`, `detections`).
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from dualtrack.errors import TooLarge, Unavailable

STALE_PART_S = 3600
VIDEOS, DETECTIONS = "sha256", "detections"
"""Folders of the two kinds of files; videos have had theirs since the first format, when both kinds were in it."""


@dataclass(frozen=True, slots=True)
class Received:
    """A file that came in whole; `path` is private, and goes with the block that received it."""

    sha256: str
    size: int
    path: Path


class BlobStore:
    """One folder.

    Args:
        root: created if missing.
        min_free_bytes: nothing is taken in when the disk has less left.
    """

    def __init__(self, root: Path, *, min_free_bytes: int = 0) -> None:
        self.root, self._min_free = root, min_free_bytes
        self._parts = root / "parts"
        self._parts.mkdir(parents=True, exist_ok=True)

    @contextlib.asynccontextmanager
    async def receive(self, chunks: AsyncIterator[bytes], *, max_bytes: int) -> AsyncIterator[Received]:
        """Stream to a private file, hashing on the way; it goes at the end of the block unless it was published.

        Raises:
            TooLarge: more than `max_bytes` came.
            Unavailable: the disk is full.
        """
        part = self._parts / f"{uuid.uuid4().hex}.part"
        try:
            yield await self._write(part, chunks, max_bytes)
        finally:
            part.unlink(missing_ok=True)

    async def publish(self, content: Path, folder: str, sha256: str) -> str:
        """Move a private file to a name of its own in `folder`; the name, relative to the root.

        Raises:
            Unavailable: the disk is full.
        """
        name = f"{folder}/{sha256[:2]}/{sha256[2:4]}/{sha256}.{uuid.uuid4().hex[:8]}"
        with _disk_errors():
            self.path(name).parent.mkdir(parents=True, exist_ok=True)
            content.replace(self.path(name))
        return name

    def path(self, name: str) -> Path:
        """Where a published file is."""
        return self.root / name

    def touch(self, name: str) -> bool:
        """Keep a published file for another term; False if it is not there."""
        try:
            os.utime(self.path(name))
        except OSError:
            return False
        return True

    async def delete(self, name: str) -> None:
        """Remove a published file, if it is there."""
        await asyncio.to_thread(self.path(name).unlink, missing_ok=True)

    def result_folder(self, job_id: str, attempt: int) -> Path:
        """Where an attempt writes its result."""
        return self.root / "results" / job_id / str(attempt)

    async def remove_results(self, job_id: str, *, keep: int | None = None) -> None:
        """Remove what the attempts at a job wrote, except the attempt `keep`."""
        folder = self.root / "results" / job_id
        await asyncio.to_thread(_remove_children, folder, str(keep))

    async def remove_result(self, job_id: str, attempt: int) -> None:
        """Remove what one attempt wrote."""
        folder = self.result_folder(job_id, attempt)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # another attempt's folder is there still
            folder.parent.rmdir()

    def sweep(self, ttl_s: int) -> None:
        """Remove uploads that broke off, and videos, files of detections and results older than their time to live."""
        for path in self._parts.glob("*.part"):
            remove_if_older(path, STALE_PART_S)
        for pattern in (f"{VIDEOS}/*/*/*", f"{DETECTIONS}/*/*/*", "results/*"):
            for path in self.root.glob(pattern):
                remove_if_older(path, ttl_s)

    def free_bytes(self) -> int:
        """What the disk has left."""
        return shutil.disk_usage(self.root).free

    async def _write(self, part: Path, chunks: AsyncIterator[bytes], max_bytes: int) -> Received:
        self._check_space()
        digest, size = hashlib.sha256(), 0
        with _disk_errors(), part.open("wb", buffering=0) as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > max_bytes:
                    raise TooLarge(f"body: more than {max_bytes} bytes (max_body_bytes)")
                await asyncio.to_thread(_append, file, digest, chunk)
            await asyncio.to_thread(os.fsync, file.fileno())
        return Received(digest.hexdigest(), size, part)

    def _check_space(self) -> None:
        if self.free_bytes() < self._min_free:
            raise Unavailable(
                f"disk: less than {self._min_free} bytes free (min_free_bytes)", code="disk-full", retry_after_s=60
            )


def first_name(sha256: str) -> str:
    """The name of a video, and of a file of detections, as it was before every file had a name of its own."""
    return f"{VIDEOS}/{sha256[:2]}/{sha256[2:4]}/{sha256}"


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"disk: the file can't be written: {error.strerror}", code="disk-full") from error


def _append(file: FileIO, digest: "hashlib._Hash", chunk: bytes) -> None:
    digest.update(chunk)
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]


def _remove_children(folder: Path, keep: str) -> None:
    for child in folder.glob("*"):
        if child.name != keep:
            shutil.rmtree(child, ignore_errors=True)
    with contextlib.suppress(OSError):  # one is kept
        folder.rmdir()


def remove_if_older(path: Path, seconds: float) -> None:
    """Remove a file or folder that nobody has touched for this long."""
    # another worker may sweep at the same time
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime <= seconds:
            return
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()

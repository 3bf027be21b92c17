"""Files on disk: videos and detections by the hash of their content, results by job and attempt."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from dualtrack.errors import TooLarge, Unavailable

STALE_PART_S = 3600


@dataclass(frozen=True, slots=True)
class Received:
    """A completely received file."""

    sha256: str
    size: int
    path: Path


class BlobStore:
    """Storage in one folder.

    Args:
        root: created if missing.
        min_free_bytes: free space on disk below which files are rejected.
    """

    def __init__(self, root: Path, *, min_free_bytes: int = 0) -> None:
        self.root, self._min_free = root, min_free_bytes
        self._parts = root / "parts"
        self._parts.mkdir(parents=True, exist_ok=True)

    async def receive(self, chunks: AsyncIterator[bytes], *, max_bytes: int) -> Received:
        """Stream to disk while hashing; the file appears under its name atomically, or not at all.

        Raises:
            TooLarge: more than `max_bytes` were received.
            Unavailable: the disk is full.
        """
        self._check_space()
        part = self._parts / f"{uuid.uuid4().hex}.part"
        digest, size = hashlib.sha256(), 0
        try:
            with part.open("wb", buffering=0) as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > max_bytes:
                        raise TooLarge(f"body: more than {max_bytes} bytes (max_body_bytes)")
                    await asyncio.to_thread(_append, file, digest, chunk)
                await asyncio.to_thread(os.fsync, file.fileno())
            target = self.path(digest.hexdigest())
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
        except OSError as error:
            raise Unavailable(f"disk: the file can't be written: {error.strerror}", code="disk-full") from error
        finally:
            part.unlink(missing_ok=True)
        return Received(digest.hexdigest(), size, target)

    def path(self, sha256: str) -> Path:
        """Path of the blob with this hash."""
        return self.root / "sha256" / sha256[:2] / sha256[2:4] / sha256

    def touch(self, sha256: str) -> bool:
        """Renew the blob's time to live; False if it does not exist."""
        try:
            os.utime(self.path(sha256))
        except OSError:
            return False
        return True

    async def delete(self, sha256: str) -> None:
        """Remove a blob if it exists."""
        await asyncio.to_thread(self.path(sha256).unlink, missing_ok=True)

    def result_folder(self, job_id: str, attempt: int) -> Path:
        """Folder for the result of an attempt."""
        return self.root / "results" / job_id / str(attempt)

    async def remove_results(self, job_id: str, *, keep: int | None = None) -> None:
        """Remove the results of all attempts at a job except the attempt `keep`."""
        folder = self.root / "results" / job_id
        await asyncio.to_thread(_remove_children, folder, str(keep))

    async def remove_result(self, job_id: str, attempt: int) -> None:
        """Remove the result of one attempt."""
        folder = self.result_folder(job_id, attempt)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # another attempt's folder still exists
            folder.parent.rmdir()

    def sweep(self, ttl_s: int) -> None:
        """Remove incomplete uploads, and videos, detections and results older than their time to live."""
        for path in self._parts.glob("*.part"):
            remove_if_older(path, STALE_PART_S)
        for pattern in ("sha256/*/*/*", "results/*"):
            for path in self.root.glob(pattern):
                remove_if_older(path, ttl_s)

    def free_bytes(self) -> int:
        """Free space on disk."""
        return shutil.disk_usage(self.root).free

    def _check_space(self) -> None:
        if self.free_bytes() < self._min_free:
            raise Unavailable(
                f"disk: less than {self._min_free} bytes free (min_free_bytes)", code="disk-full", retry_after_s=60
            )


def _append(file: FileIO, digest: "hashlib._Hash", chunk: bytes) -> None:
    digest.update(chunk)
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]


def _remove_children(folder: Path, keep: str) -> None:
    for child in folder.glob("*"):
        if child.name != keep:
            shutil.rmtree(child, ignore_errors=True)
    with contextlib.suppress(OSError):  # one attempt is kept
        folder.rmdir()


def remove_if_older(path: Path, seconds: float) -> None:
    """Remove a file or folder that was not touched for this long."""
    # another worker may sweep concurrently
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime <= seconds:
            return
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()

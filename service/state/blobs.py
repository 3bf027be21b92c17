"""Files on disk: videos and detections files by the hash of their content, results and artifacts by owner and attempt.

Every published file has a unique name, even if its content equals that of another file, so deleting one never affects a
file that another request has just stored. The stores in Redis (`videos`, `detections`) have the name in use.
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
"""Folders of the two kinds of files; in the first format, detections were in the folder of videos, too."""


@dataclass(frozen=True, slots=True)
class Received:
    """A completely received file; `path` is private, and is removed at the end of the block that received it."""

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

    @contextlib.asynccontextmanager
    async def receive(self, chunks: AsyncIterator[bytes], *, max_bytes: int) -> AsyncIterator[Received]:
        """Stream to a private file while hashing; it is removed at the end of the block unless it was published.

        Raises:
            TooLarge: more than `max_bytes` were received.
            Unavailable: the disk is full.
        """
        part = self._parts / f"{uuid.uuid4().hex}.part"
        try:
            yield await self._write(part, chunks, max_bytes)
        finally:
            part.unlink(missing_ok=True)

    async def publish(self, content: Path, folder: str, sha256: str) -> str:
        """Move a private file to a unique name in `folder`; returns the name, relative to the root.

        Raises:
            Unavailable: the disk is full.
        """
        name = f"{folder}/{sha256[:2]}/{sha256[2:4]}/{sha256}.{uuid.uuid4().hex[:8]}"
        with _disk_errors():
            self.path(name).parent.mkdir(parents=True, exist_ok=True)
            content.replace(self.path(name))
        return name

    def path(self, name: str) -> Path:
        """Path of a published file."""
        return self.root / name

    def touch(self, name: str) -> bool:
        """Renew a published file's time to live; False if it does not exist."""
        try:
            os.utime(self.path(name))
        except OSError:
            return False
        return True

    async def delete(self, name: str) -> None:
        """Remove a published file if it exists."""
        await asyncio.to_thread(self.path(name).unlink, missing_ok=True)

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

    def artifact_folder(self, name: str, attempt: int) -> Path:
        """Folder for the file of an attempt at an artifact, by its name (`artifact.ArtifactKey`)."""
        kind, owner_id, *rest = name.split(":")
        return self.root / "artifacts" / f"{kind}-{owner_id}" / "-".join(rest) / str(attempt)

    async def remove_artifact(self, name: str, attempt: int) -> None:
        """Remove what one attempt at an artifact has left."""
        folder = self.artifact_folder(name, attempt)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # another attempt or artifact still has files
            folder.parent.rmdir()
            folder.parent.parent.rmdir()

    async def keep_artifact(self, name: str, attempt: int) -> None:
        """Remove what all other attempts at an artifact have left."""
        await asyncio.to_thread(_remove_children, self.artifact_folder(name, attempt).parent, str(attempt))

    async def remove_artifacts(self, owner: str) -> None:
        """Remove the files of all artifacts of an owner, `job:ID` or `video:ID`."""
        folder = self.root / "artifacts" / owner.replace(":", "-")
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def sweep(self, ttl_s: int) -> None:
        """Remove incomplete uploads, and videos, detections, results and artifacts older than their time to live."""
        for path in self._parts.glob("*.part"):
            remove_if_older(path, STALE_PART_S)
        for pattern in (f"{VIDEOS}/*/*/*", f"{DETECTIONS}/*/*/*", "results/*", "artifacts/*"):
            for path in self.root.glob(pattern):
                remove_if_older(path, ttl_s)

    def free_bytes(self) -> int:
        """Free space on disk."""
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
    """The name of a video or detections file that was stored before names were unique."""
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

"""Uploaded files: streamed to private files, which are stored once the whole request is right; a video is probed."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from dualtrack.errors import NotFound
from service.api.metrics.api import ApiMetrics
from service.media.probe import probe
from service.state.blobs import Received
from service.state.videos import Video
from service.wiring import Parts

NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class NewVideo:
    """A video that came in and can be used, not stored yet.

    Attributes:
        video: what is known of it.
        content: its private file.
    """

    video: Video
    content: Path

    async def store(self, parts: Parts) -> tuple[Video, bool]:
        """Store it; the video, and whether it is new."""
        return await parts.videos.add(self.video, self.content)


@asynccontextmanager
async def received_video(
    chunks: AsyncIterator[bytes], filename: str | None, parts: Parts, metrics: ApiMetrics
) -> AsyncIterator[NewVideo]:
    """Receive a video for the length of the block, and probe its private file; a known one is not probed again.

    Raises:
        InvalidVideo: the probe refused it.
        TooLarge: it is over the limit.
        Unavailable: the disk or the state server can't take it now.
    """
    async with parts.blobs.receive(chunks, max_bytes=parts.settings.max_body_bytes) as received:
        metrics.uploaded(received.size)
        try:
            info = (await parts.videos.get(received.sha256)).info
        except NotFound:
            info = (await probe(received.path, parts.settings.limits)).to_json()
        video = Video(
            id=received.sha256,
            size_bytes=received.size,
            filename=_clean_name(filename),
            info=info,
            created_at=time.time(),
        )
        yield NewVideo(video, received.path)


@asynccontextmanager
async def received_detections(
    chunks: AsyncIterator[bytes], parts: Parts, metrics: ApiMetrics
) -> AsyncIterator[Received]:
    """Receive a file of detections for the length of the block; whether it fits is only known with its video."""
    async with parts.blobs.receive(chunks, max_bytes=parts.settings.max_detections_bytes) as received:
        metrics.uploaded(received.size)
        yield received


def _clean_name(name: str | None) -> str | None:
    """The last component of a client's file name, printable and short; for display only."""
    if name is None:
        return None
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in last if c.isprintable())[:NAME_LENGTH] or None

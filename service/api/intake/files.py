"""Uploaded files: streamed to disk under their hash; a video is also probed in a guarded process."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

from dualtrack.errors import InvalidVideo, NotFound
from service.api.metrics.api import ApiMetrics
from service.media.probe import probe
from service.state.videos import Video
from service.wiring import Parts

NAME_LENGTH = 200


async def store_video(
    chunks: AsyncIterator[bytes], filename: str | None, parts: Parts, metrics: ApiMetrics
) -> tuple[Video, bool]:
    """Store a video; a known one is not probed again.

    Returns:
        The video, and whether it is new.

    Raises:
        InvalidVideo: the probe refused it; nothing of it stays.
        TooLarge: it is over the limit.
        Unavailable: the disk or the state server can't take it now.
    """
    received = await parts.blobs.receive(chunks, max_bytes=parts.settings.max_body_bytes)
    metrics.uploaded(received.size)
    try:
        return await parts.videos.get(received.sha256), False
    except NotFound:
        pass
    try:
        info = await probe(received.path, parts.settings.limits)
    except InvalidVideo:
        await parts.blobs.delete(received.sha256)
        raise
    video = Video(
        id=received.sha256,
        size_bytes=received.size,
        filename=_clean_name(filename),
        info=info.to_json(),
        created_at=time.time(),
    )
    return await parts.videos.add(video)


async def store_detections(chunks: AsyncIterator[bytes], parts: Parts, metrics: ApiMetrics) -> str:
    """Store a file of detections; its sha256.

    Whether it fits is only known with its video. A file that does not fit stays until the sweep: it may fit another
    video.
    """
    received = await parts.blobs.receive(chunks, max_bytes=parts.settings.max_detections_bytes)
    metrics.uploaded(received.size)
    return received.sha256


def detections_path(sha256: str, parts: Parts) -> Path:
    """The path of a file of detections.

    Raises:
        NotFound: there is none, or the file with this hash is too large to be one.
    """
    path = parts.blobs.path(sha256)
    if not parts.blobs.touch(sha256) or path.stat().st_size > parts.settings.max_detections_bytes:
        raise NotFound(f"detections: no file has the id {sha256!r}", code="unknown-detections")
    return path


def _clean_name(name: str | None) -> str | None:
    """The last component of a client's file name, printable and short; for display only."""
    if name is None:
        return None
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in last if c.isprintable())[:NAME_LENGTH] or None

"""A video's way in: streamed to disk, looked at by the guarded probe, stored once."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from dualtrack.errors import InvalidInput, InvalidVideo, NotFound
from service.api.intake import body
from service.api.metrics.http import HttpMetrics
from service.media.probe import probe
from service.state.videos import Video
from service.wiring import Parts

FORM = "multipart/form-data"
RAW = "application/octet-stream"
NAME_LENGTH = 200


async def from_request(request: Request, parts: Parts, metrics: HttpMetrics) -> tuple[Video, bool]:
    """Store the video that is the body, or the part `file` of it.

    Returns:
        The video, and whether it is new.
    """
    kind = body.media_type(request)
    limit = parts.settings.max_body_bytes
    if kind == FORM:
        return await _from_form(request, parts, metrics)
    if kind in {"", RAW} or kind.startswith("video/") or kind == "image/gif":
        name = _disposition_name(request.headers.get("content-disposition"))
        return await store(body.stream(request, limit), name, parts, metrics)
    raise body.unsupported(request, FORM, "video/*", RAW)


async def store(
    chunks: AsyncIterator[bytes], filename: str | None, parts: Parts, metrics: HttpMetrics
) -> tuple[Video, bool]:
    """Store one file. A known one is not probed again.

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
        filename=clean_name(filename),
        info=info.to_json(),
        created_at=time.time(),
    )
    return await parts.videos.add(video)


async def store_detections(chunks: AsyncIterator[bytes], parts: Parts, metrics: HttpMetrics) -> str:
    """Store a file of detections as it comes; its sha256.

    Whether it fits is only known with its video. One that does not stays until the sweep: the same file may serve
    another video.
    """
    limit = parts.settings.max_detections_bytes
    received = await parts.blobs.receive(body.bounded(chunks, "detections", limit), max_bytes=limit)
    metrics.uploaded(received.size)
    return received.sha256


def detections_path(sha256: str, parts: Parts) -> Path:
    """Where a file of detections lies.

    Raises:
        NotFound: there is none, or what has this hash is too large to be one.
    """
    path = parts.blobs.path(sha256)
    if not parts.blobs.keep(sha256) or path.stat().st_size > parts.settings.max_detections_bytes:
        raise NotFound(f"detections: no file has the id {sha256!r}", code="unknown-detections")
    return path


def clean_name(name: str | None) -> str | None:
    """The last component of a client's file name, printable and short; for display only."""
    if name is None:
        return None
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in last if c.isprintable())[:NAME_LENGTH] or None


async def _from_form(request: Request, parts: Parts, metrics: HttpMetrics) -> tuple[Video, bool]:
    stored: tuple[Video, bool] | None = None
    async for part in body.multipart(request, parts.settings.max_body_bytes).parts():
        if part.name != "file" or stored is not None:
            raise unexpected_part(part.name, "one part 'file'")
        stored = await store(part.chunks, part.filename, parts, metrics)
    if stored is None:
        raise missing_part("file")
    return stored


def unexpected_part(name: str, wanted: str) -> InvalidInput:
    """The error of a part that the form has not, or twice."""
    return InvalidInput(f"form: expected {wanted}, got another part {name[:80]!r}", code="unexpected-part")


def missing_part(name: str) -> InvalidInput:
    """The error of a form without a part that it needs."""
    return InvalidInput(f"form: expected a part {name!r}, got none", code="missing-part")


def _disposition_name(header: str | None) -> str | None:
    if header is None:
        return None
    _, options = parse_options_header(header)
    name = options.get(b"filename")
    return None if name is None else name.decode(errors="replace")

"""What `POST /v1/videos` brings: a video as the body, or as the part `file` of a form."""

from contextlib import AsyncExitStack

from starlette.requests import Request

from service.api.deps import UploadSlots
from service.api.intake import body, files
from service.api.metrics.api import ApiMetrics
from service.state.videos import Video
from service.wiring import Parts

RAW = "application/octet-stream"
VIDEO_TYPES = frozenset(
    {
        "",
        RAW,
        "image/gif",
        "application/mp4",
        "application/ogg",
        "application/x-matroska",
        "application/x-troff-msvideo",
    }
)
"""Content types of video files, besides `video/*`; what a file is, its content says."""


async def read(request: Request, parts: Parts, slots: UploadSlots, metrics: ApiMetrics) -> tuple[Video, bool]:
    """Store the video; it and whether it is new.

    Raises:
        InvalidInput: the request or the video can't be used.
        Overloaded: as many uploads run as may.
        Unavailable: the disk or the state server can't take it now.
    """
    with slots.hold():
        kind = body.media_type(request)
        if kind == body.FORM:
            return await _from_form(request, parts, metrics)
        if kind in VIDEO_TYPES or kind.startswith("video/"):
            chunks = body.stream(request, parts.settings.max_body_bytes)
            async with files.received_video(chunks, body.filename(request), parts, metrics) as new:
                return await new.store(parts)
        raise body.unsupported(request, body.FORM, "video/*", RAW)


async def _from_form(request: Request, parts: Parts, metrics: ApiMetrics) -> tuple[Video, bool]:
    new: files.NewVideo | None = None
    async with AsyncExitStack() as received:
        async for part in body.form(request, parts.settings.max_body_bytes):
            if part.name != "file" or new is not None:
                raise body.unexpected_part(part.name, "one part 'file'")
            incoming = files.received_video(part.chunks, part.filename, parts, metrics)
            new = await received.enter_async_context(incoming)
        if new is None:
            raise body.missing_part("file")
        return await new.store(parts)

"""What `POST /v1/jobs` asks for: JSON about a stored video, or a form that may bring video and detections along."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from dualtrack.errors import DualtrackError, InvalidParameter, Unavailable
from service.api.deps import UploadSlots
from service.api.intake import body, files
from service.api.metrics.api import ApiMetrics
from service.api.schemas import JobRequest
from service.media.video_info import VideoInfo
from service.pipeline.categories.choice import choose
from service.pipeline.detection.given import check_detections
from service.pipeline.detection.records import vector_to_json
from service.pipeline.parameters.job_parameters import JobParameters
from service.pipeline.store.keys import given_key
from service.state.blobs import Received
from service.state.job import stored_parameters
from service.state.videos import Video
from service.wiring import Parts

FIELD_OF_PART = {"parameters": "parameters", "detections": "detections", "file": "video_id", "video_id": "video_id"}
"""The form's parts, and the field of the request that each one gives."""
EXPECTED_PARTS = "at most one part each of 'parameters', 'detections', and 'file' or 'video_id'"
DEPRECATION = "@1796083200"  # 2026-12-01T00:00:00Z
"""The value of `Deprecation` (RFC 9745): since when the old names of parameters are deprecated."""
CONNECTED_S = 0.5
"""How often it is checked whether the client is still there while its detections are read."""
IDEMPOTENCY_KEY = r'^"?([!#-~]{1,128})"?$'
log = structlog.get_logger()
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class NewJob:
    """The job to make.

    Attributes:
        video_id: of a stored video.
        parameters: as they were given, checked.
        detections: sha256 of a stored file, or None.
        idempotency_key: as the request gave it, without quotes.
    """

    video_id: str
    parameters: JobParameters
    detections: str | None
    idempotency_key: str | None

    def to_stored(self) -> dict[str, Any]:
        """Only those that were given, so that equal requests are equal."""
        return _given(self.parameters)

    def deprecation_headers(self) -> dict[str, str]:
        """Headers for the old names that the request used, none without."""
        if not self.parameters.deprecations:
            return {}
        lines = ", ".join(f'299 - "{line}"' for line in self.parameters.deprecations)
        return {"Deprecation": DEPRECATION, "Warning": lines}

    def fingerprint(self) -> str:
        """Tells whether two requests with one idempotency key ask for the same."""
        request = [self.video_id, self.to_stored(), *([self.detections] if self.detections else [])]
        canonical = json.dumps(request, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(slots=True)
class _Asked:
    """What a request asks for, before it is checked against the state.

    Attributes:
        job: the request itself.
        video: the video that came with it.
        detections: the private file of the detections that came with it.
    """

    job: JobRequest
    video: files.NewVideo | None = None
    detections: Received | None = None


@asynccontextmanager
async def read(request: Request, parts: Parts, slots: UploadSlots, metrics: ApiMetrics) -> AsyncIterator[NewJob]:
    """The job asked for. The files that come with a form are stored when all of it is right.

    In the block the file of detections is held; at its end it goes, unless a job needs it. An error of the block also
    removes a video that came with the form.

    Raises:
        NotFound: no such video, or no such detections.
        InvalidInput, RequestValidationError: something can't be used.
        Overloaded: as many uploads run as may.
        Unavailable: the disk or the state server can't take it now.
    """
    key = _idempotency_key(request)
    kind = body.media_type(request)
    async with AsyncExitStack() as block:
        if kind == body.JSON:
            asked = _Asked(validated(JobRequest, await body.parse_json(body.stream(request, body.JSON_BYTES))))
            if asked.job.detections is not None:
                # reading detections costs as much as an upload
                block.enter_context(slots.hold())
        elif kind == body.FORM:
            block.enter_context(slots.hold())
            asked = await _from_form(request, parts, metrics, block)
        else:
            raise body.unsupported(request, body.JSON, body.FORM)
        await _while_connected(request, _check(asked, parts, block))
        stored = await _store(asked, parts, block)
        if asked.job.parameters.deprecations:
            log.warning("deprecated parameters", names=asked.job.parameters.deprecations)
        try:
            yield NewJob(asked.job.video_id, asked.job.parameters, asked.job.detections, key)
        except DualtrackError:
            if stored is not None:
                with suppress(Unavailable):
                    await parts.videos.drop(stored)
            raise


def _given(parameters: JobParameters) -> dict[str, Any]:
    return parameters.model_dump(mode="json", exclude_none=True)


async def _while_connected(request: Request, work: Coroutine[None, None, None]) -> None:
    """Do some work, the body having been read; it ends when the client leaves.

    Raises:
        ClientDisconnect: it has left.
    """
    task = asyncio.create_task(work)
    try:
        while not (await asyncio.wait({task}, timeout=CONNECTED_S))[0]:
            if await request.is_disconnected():
                raise ClientDisconnect
        task.result()
    finally:
        task.cancel()
        await asyncio.wait({task})


def _idempotency_key(request: Request) -> str | None:
    given = request.headers.get("idempotency-key")
    if given is None:
        return None
    match = re.fullmatch(IDEMPOTENCY_KEY, given.strip())
    if match is None:
        raise InvalidParameter("Idempotency-Key: expected 1 to 128 printable ASCII characters without spaces")
    return match.group(1)


async def _from_form(request: Request, parts: Parts, metrics: ApiMetrics, block: AsyncExitStack) -> _Asked:
    max_video, max_detections = parts.settings.max_body_bytes, parts.settings.max_detections_bytes
    fields: dict[str, object] = {}
    video, detections = None, None
    async for part in body.form(request, max_video + max_detections):
        field = FIELD_OF_PART.get(part.name, "")
        if not field or field in fields:
            raise body.unexpected_part(part.name, EXPECTED_PARTS)
        if part.name == "parameters":
            # right away: if they are wrong, a large file need not be stored
            given = validated(JobParameters, await body.parse_json(part.chunks), within=("parameters",))
            stored_parameters(_given(given))
            fields[field] = given
        elif part.name == "video_id":
            fields[field] = (await body.text(part.chunks, "video_id")).decode(errors="replace")
        elif part.name == "detections":
            chunks = body.bounded(part.chunks, "detections", max_detections)
            detections = await block.enter_async_context(files.received_detections(chunks, parts, metrics))
            fields[field] = detections.sha256
        else:
            incoming = files.received_video(part.chunks, part.filename, parts, metrics)
            video = await block.enter_async_context(incoming)
            fields[field] = video.video.id
    if "video_id" not in fields:
        raise body.missing_part("file")
    return _Asked(validated(JobRequest, fields), video, detections)


def validated(model: type[Model], value: object, *, within: tuple[str, ...] = ()) -> Model:
    """The value as `model`; errors are reported as for a body that the framework reads, `within` a member of it."""
    validate: Callable[[object], Model] = model.model_validate
    try:
        return validate(value)
    except ValidationError as error:
        found = [{**item, "loc": ("body", *within, *item["loc"])} for item in error.errors()]
        raise RequestValidationError(found) from error


async def _check(asked: _Asked, parts: Parts, block: AsyncExitStack) -> None:
    """The video is there, the detections are of this video, the categories are known."""
    job = asked.job
    video = asked.video.video if asked.video is not None else await parts.videos.get(job.video_id)
    vector = parts.classes
    if job.detections is not None:
        # what came with the form is stored below, once it fits
        path = asked.detections.path if asked.detections else await _held(job.detections, parts, block)
        info, settings = VideoInfo.from_json(video.info), parts.settings
        key = given_key(job.video_id, job.detections, info, vector_to_json(vector))
        cache = {"root": str(settings.cache_dir), "max_bytes": settings.cache_max_bytes, "key": key}
        vector = await check_detections(path, info, vector, settings.limits, {"cache": cache})
    choose(vector, job.parameters.categories)


async def _store(asked: _Asked, parts: Parts, block: AsyncExitStack) -> Video | None:
    """Store what came with the form; returns the video if it is new."""
    if asked.detections is not None:
        await _held(asked.detections.sha256, parts, block, asked.detections.path)
    if asked.video is None:
        return None
    video, is_new = await asked.video.store(parts)
    return video if is_new else None


async def _held(sha256: str, parts: Parts, block: AsyncExitStack, content: Path | None = None) -> Path:
    return await block.enter_async_context(parts.detections.held(sha256, content))

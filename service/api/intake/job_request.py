"""What `POST /v1/jobs` asks for, from either of its two forms."""

import asyncio
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from dualtrack.errors import InvalidParameter
from service.api import problems
from service.api.deps import UploadSlots
from service.api.intake import body, files
from service.api.metrics.http import HttpMetrics
from service.api.schemas import JobRequest
from service.media.video_info import VideoInfo
from service.pipeline.categories.choice import choose
from service.pipeline.detection.given import read_detections
from service.pipeline.job_parameters import JobParameters
from service.wiring import Parts

JSON = "application/json"
FIELD_OF_PART = {"parameters": "parameters", "detections": "detections", "file": "video_id", "video_id": "video_id"}
"""The form's parts, and what each says of the request."""
KEY = re.compile(r'"?([\x21\x23-\x7e]{1,128})"?')
Model = TypeVar("Model", bound=BaseModel)


async def read(request: Request, parts: Parts, slots: UploadSlots, metrics: HttpMetrics) -> JobRequest:
    """The job asked for; the file of a one-shot form is stored on the way.

    Raises:
        NotFound: no such video.
        InvalidInput: anything that can't be used.
    """
    kind = body.media_type(request)
    if kind == JSON:
        asked = _validated(JobRequest, await body.parse_json(body.stream(request, body.JSON_BYTES)))
        return await _checked(asked, parts)
    if kind == files.FORM:
        with slots.hold():
            return await _checked(await _from_form(request, parts, metrics), parts)
    raise body.unsupported(request, JSON, files.FORM)


def parameters_of(asked: JobRequest) -> dict[str, Any]:
    """The job's parameters as stored: only those that were given, so that equal requests are equal."""
    return asked.parameters.model_dump(mode="json", exclude_none=True)


def fingerprint(asked: JobRequest) -> str:
    """Says whether two requests with one idempotency key ask for the same."""
    said = [asked.video_id, parameters_of(asked), *([asked.detections] if asked.detections else [])]
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def idempotency_key(request: Request) -> str | None:
    """The request's Idempotency-Key without its quotes, or None."""
    given = request.headers.get("idempotency-key")
    if given is None:
        return None
    match = KEY.fullmatch(given.strip())
    if match is None:
        raise InvalidParameter("Idempotency-Key: expected 1 to 128 printable ASCII characters without spaces")
    return match.group(1)


async def _from_form(request: Request, parts: Parts, metrics: HttpMetrics) -> JobRequest:
    settings = parts.settings
    said: dict[str, object] = {}
    async for part in body.multipart(request, settings.max_body_bytes + settings.max_detections_bytes).parts():
        field = FIELD_OF_PART.get(part.name, "")
        if not field or field in said:
            raise files.unexpected_part(part.name, "at most one part each of 'parameters', 'detections', 'file'")
        if part.name == "parameters":
            parameters = await body.parse_json(part.chunks)
            said[field] = _validated(JobParameters, parameters, prefix=("parameters",))
        elif part.name == "video_id":
            said[field] = (await body.text(part.chunks, "video_id")).decode(errors="replace")
        elif part.name == "detections":
            said[field] = await files.store_detections(part.chunks, parts, metrics)
        else:
            said[field] = (await files.store(part.chunks, part.filename, parts, metrics))[0].id
    if "video_id" not in said:
        raise files.missing_part("file")
    return _validated(JobRequest, said)


async def _checked(asked: JobRequest, parts: Parts) -> JobRequest:
    """The same request, if its video is there, its detections are of this video and its categories are known."""
    video = await parts.videos.get(asked.video_id)
    vector = parts.classes
    if asked.detections is not None:
        path = files.detections_path(asked.detections, parts)
        given = await asyncio.to_thread(read_detections, path, VideoInfo.from_json(video.info), vector)
        vector = given.vector
    choose(vector, asked.parameters.categories)
    return asked


def _validated(model: type[Model], value: object, *, prefix: tuple[str, ...] = ()) -> Model:
    validate: Callable[[object], Model] = model.model_validate
    try:
        return validate(value)
    except ValidationError as error:
        raise problems.RequestProblem(problems.of_validation(error, prefix=prefix)) from error

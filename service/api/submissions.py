"""What `POST /v1/jobs` asks for, from either of its two forms."""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from service.api import bodies, problems, uploads
from service.api.deps import UploadSlots
from service.api.metrics import HttpMetrics
from service.api.schemas import JobRequest
from service.bootstrap import Parts
from service.errors import InvalidParameter
from service.pipeline.parameters import JobParameters

JSON = "application/json"
KEY = re.compile(r'"?([\x21\x23-\x7e]{1,128})"?')
Model = TypeVar("Model", bound=BaseModel)


async def read(request: Request, parts: Parts, slots: UploadSlots, metrics: HttpMetrics) -> JobRequest:
    """The job asked for; the file of a one-shot form is stored on the way.

    Raises:
        NotFound: no such video.
        InvalidInput: anything that can't be used.
    """
    kind = bodies.media_type(request)
    if kind == JSON:
        asked = _validated(JobRequest, await bodies.parse_json(bodies.stream(request, bodies.JSON_BYTES)))
        await parts.videos.get(asked.video_id)
        return asked
    if kind == uploads.FORM:
        with slots.hold():
            return await _from_form(request, parts, metrics)
    raise bodies.unsupported(request, JSON, uploads.FORM)


def parameters_of(asked: JobRequest) -> dict[str, Any]:
    """The job's parameters as stored: only those that were given, so that equal requests are equal."""
    return asked.parameters.model_dump(mode="json", exclude_none=True)


def fingerprint(asked: JobRequest) -> str:
    """Says whether two requests with one idempotency key ask for the same."""
    canonical = json.dumps([asked.video_id, parameters_of(asked)], sort_keys=True, separators=(",", ":"))
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
    parameters: JobParameters | None = None
    video_id: str | None = None
    async for part in bodies.multipart(request, parts.settings.max_body_bytes).parts():
        if part.name == "parameters" and parameters is None:
            parameters = _validated(JobParameters, await bodies.parse_json(part.chunks), prefix=("parameters",))
        elif part.name == "file" and video_id is None:
            video_id = (await uploads.store(part.chunks, part.filename, parts, metrics))[0].id
        else:
            raise uploads.unexpected_part(part.name, "one part 'parameters' and one part 'file'")
    if video_id is None:
        raise uploads.missing_part("file")
    return JobRequest(video_id=video_id, parameters=parameters or JobParameters.model_validate({}))


def _validated(model: type[Model], value: object, *, prefix: tuple[str, ...] = ()) -> Model:
    validate: Callable[[object], Model] = model.model_validate
    try:
        return validate(value)
    except ValidationError as error:
        raise problems.RequestProblem(problems.of_validation(error, prefix=prefix)) from error

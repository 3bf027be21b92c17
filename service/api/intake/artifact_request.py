"""What `POST /v1/jobs/{job_id}/artifacts` brings: the kind of the artifact, as JSON."""

from starlette.requests import Request

from service.api.intake import body
from service.api.intake.job_request import validated
from service.api.schemas import ArtifactRequest


async def read(request: Request) -> ArtifactRequest:
    """The request.

    Raises:
        InvalidInput, RequestValidationError: it can't be used.
    """
    if body.media_type(request) != body.JSON:
        raise body.unsupported(request, body.JSON)
    return validated(ArtifactRequest, await body.parse_json(body.stream(request, body.JSON_BYTES)))

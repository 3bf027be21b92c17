"""Response objects: problems, and the headers of answers."""

from typing import Any

from service.api import problems
from service.api.openapi.refs import ref
from service.api.schemas import ProblemDetails

Responses = dict[int | str, dict[str, Any]]

DESCRIPTIONS = {
    304: "The result still has the given `ETag`.",
    400: "The body does not match its content type.",
    401: "The API key is missing or wrong.",
    404: "Not found.",
    408: "The client stopped sending the body.",
    409: "The job has no result: it has not ended (see `state` and `progress`), failed or was canceled; or its overlay "
    "is not drawn yet or failed (see `artifact`).",
    410: "It existed, but was deleted.",
    413: "The body exceeds the size limit.",
    415: "The content type, container or codec is not supported.",
    416: "The range lies outside the file.",
    422: "A parameter is invalid or the video cannot be used; see `code` and `errors`.",
    429: "The queue is full or too many uploads are running. Retry after `Retry-After` seconds.",
    500: "The service failed; its log has the cause under the request's id.",
    503: "A component of the service is unavailable. Retry after `Retry-After` seconds.",
    507: "The disk is full.",
}
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}

ALWAYS = (401, 422, 500, 503)
"""What every endpoint under /v1 may answer."""


def refusals(*statuses: int) -> Responses:
    """Problem responses of an endpoint, in addition to those that every endpoint has."""
    return {status: problem_response(status) for status in sorted({*statuses, *ALWAYS})}


def problem_response(status: int) -> dict[str, Any]:
    """The OpenAPI response object of a problem."""
    answer: dict[str, Any] = {
        "description": DESCRIPTIONS[status],
        "content": {problems.MEDIA_TYPE: {"schema": ref(ProblemDetails.__name__)}},
    }
    if status in {409, *problems.RETRIED}:
        answer["headers"] = RETRY_AFTER
    return answer

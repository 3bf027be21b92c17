"""How an error becomes an `application/problem+json` answer (RFC 9457), with the table of `dualtrack.error_codes`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Scope

from dualtrack.error_codes import INTERNAL, status_of
from dualtrack.errors import DualtrackError
from service.api.layers.forwarded import path_of

MEDIA_TYPE = "application/problem+json"
RETRIED = frozenset({429, 503, 507})
"""Statuses after which the same request may succeed later: their answers have `Retry-After`."""
SHOWN = 500
"""Most characters of one name or message."""
MOST_ERRORS = 20
"""Of the wrong parameters of one request, those that the answer lists."""
TYPE_PREFIX = "urn:dualtrack:problem:"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem before it is written.

    Attributes:
        status: HTTP status.
        code: last part of `type`.
        detail: what went wrong this time.
        extensions: further members, such as `errors` or `progress`.
        headers: of the answer, such as `Retry-After` or `Allow`.
    """

    status: int
    code: str
    detail: str
    extensions: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class RequestProblem(Exception):
    """A problem that the edge itself finds and that needs more members than an error has."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def of_error(error: DualtrackError) -> Problem:
    """The problem of one of our errors."""
    status = status_of(type(error), error.code)
    headers: dict[str, str] = {}
    if status in RETRIED:
        headers["Retry-After"] = str(max(1, round(getattr(error, "retry_after_s", 5))))
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="dualtrack"'
    if status == INTERNAL:
        return internal()
    return Problem(status, error.code, error.detail, headers=headers)


def of_http(error: HTTPException) -> Problem:
    """The problem of what the framework refuses: 404 and 405 of the router and similar ones."""
    return of_status(error.status_code, str(error.detail), headers=error.headers or {})


def of_status(status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> Problem:
    """A problem that its status describes fully."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "error"
    code = phrase.lower().replace(" ", "-").replace("'", "")
    return Problem(status, code, detail or phrase, headers=headers or {})


def of_validation(error: RequestValidationError) -> Problem:
    """The problem of parameters that don't fit their model."""
    found = error.errors()
    errors = [_location(item["loc"]) | {"detail": str(item["msg"])[:SHOWN]} for item in found[:MOST_ERRORS]]
    first = errors[0]
    where = first.get("pointer") or first.get("parameter") or "body"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Problem(422, "invalid-parameter", f"{where}: {first['detail']}{more}", extensions={"errors": errors})


def internal() -> Problem:
    """The problem of a fault of ours; the log has the cause under the request id."""
    return Problem(500, "internal", "The service failed on this request; its log has the request id.")


def response(problem: Problem, scope: Scope) -> JSONResponse:
    """The answer to the request of `scope`."""
    content = {
        "type": TYPE_PREFIX + problem.code,
        "title": problem.code.replace("-", " ").capitalize(),
        "status": problem.status,
        "detail": problem.detail,
        "instance": path_of(scope),
        "code": problem.code,
        "request_id": scope.get("state", {}).get("request_id", ""),
    }
    # Extensions first, so that none can hide a member that RFC 9457 defines.
    content = {**problem.extensions, **content}
    return JSONResponse(content, problem.status, dict(problem.headers), media_type=MEDIA_TYPE)


def _location(loc: tuple[int | str, ...]) -> dict[str, str]:
    """Where a validation error is: a JSON pointer into the body, or the name of a parameter."""
    kind, rest = str(loc[0]), loc[1:]
    if kind == "body":
        return {"pointer": "#" + "".join("/" + _escape(str(part)) for part in rest)[:SHOWN]}
    return {"parameter": "/".join(str(part) for part in rest)[:SHOWN], "in": kind}


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")

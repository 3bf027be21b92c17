"""What an answer of the service stands for: a document, or an error of `dualtrack.errors`."""

from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from dualtrack.client.retries import RetryableError
from dualtrack.error_codes import class_of, class_of_status
from dualtrack.errors import ConfigurationError, DualtrackError, Overloaded, Unavailable

UNEXPECTED = "unexpected-answer"
"""The code of an error answer that has none."""
NEVER_PLAIN = frozenset({404, 405, 501})
"""Statuses that the service sends only with a problem document, and other servers for paths they don't have."""
DEFAULT_RETRY_S = 1
NO_CONTENT = 204


RETRYABLE = frozenset({429, 503})
"""Statuses by which the service asks to send the request again later."""


def raised_for(answer: httpx.Response) -> DualtrackError | RetryableError:
    """What to raise for an answer without success, its body read."""
    error = error_of(answer)
    return RetryableError(error, retry_after_s(answer)) if answer.status_code in RETRYABLE else error


def document_of(answer: httpx.Response) -> Any:
    """The JSON document of a successful answer; None of one without a body.

    Raises:
        ConfigurationError: the answer is none of the service's.
    """
    if answer.status_code == NO_CONTENT:
        return None
    try:
        return answer.json()
    except ValueError as error:
        raise _another_server(answer, "JSON") from error


def error_of(answer: httpx.Response) -> DualtrackError:
    """The error that an answer without success stands for, of the class of its code."""
    status = answer.status_code
    try:
        problem = answer.json()
        code, detail = str(problem["code"]), str(problem["detail"])
        kind = class_of(code, status)
    except (ValueError, KeyError, TypeError):
        if status < 400 or status in NEVER_PLAIN:
            return _another_server(answer, "a problem document")
        code, detail = UNEXPECTED, f"{answer.request.url}: status {status}, no problem document"
        kind = class_of_status(status)
    if issubclass(kind, Overloaded | Unavailable):
        after = retry_after_s(answer)
        return kind(detail, code=code, retry_after_s=DEFAULT_RETRY_S if after is None else after)
    return kind(detail, code=code)


def retry_after_s(answer: httpx.Response) -> int | None:
    """Seconds of `Retry-After`, which holds seconds or a date; None without, or where it can't be read.

    A date is compared with the answer's own `Date`: the clock of this machine may differ from the server's.
    """
    value = answer.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return int(value)
    try:
        left = parsedate_to_datetime(value) - parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    return max(0, round(left.total_seconds()))


def _another_server(answer: httpx.Response, wanted: str) -> ConfigurationError:
    request = answer.request
    kind = answer.headers.get("content-type", "no content type")
    to = f", a redirect to {answer.headers['location']}" if "location" in answer.headers else ""
    return ConfigurationError(
        f"{request.method} {request.url}: expected {wanted} of a dualtrack service, got status {answer.status_code}"
        f" with {kind}{to}; does another server listen at this address?"
    )

"""Conversion of HTTP responses to JSON documents and errors."""

from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from dualtrack.client.retries import RetryableError
from dualtrack.error_codes import class_of, class_of_status
from dualtrack.errors import ConfigurationError, DualtrackError, Overloaded, Unavailable

UNEXPECTED = "unexpected-answer"
"""Code of the error for an unsuccessful response without a problem document."""
NEVER_PLAIN = frozenset({404, 405, 501})
"""Statuses that the service sends only with a problem document; without one, they are from another server."""
DEFAULT_RETRY_S = 1
NO_CONTENT = 204
RETRYABLE = frozenset({429, 503})
"""Statuses after which a request is repeated."""


def exception_for(response: httpx.Response) -> DualtrackError | RetryableError:
    """The exception to raise for an unsuccessful response, whose body has been read."""
    error = error_of(response)
    return RetryableError(error, retry_after_s(response)) if response.status_code in RETRYABLE else error


def document_of(response: httpx.Response) -> Any:
    """The JSON document in a successful response; None if it has no body.

    Raises:
        ConfigurationError: the response is not from a dualtrack service.
    """
    if response.status_code == NO_CONTENT:
        return None
    try:
        return response.json()
    except ValueError as error:
        raise _another_server(response, "JSON") from error


def error_of(response: httpx.Response) -> DualtrackError:
    """Convert an unsuccessful response to the error of its code."""
    status = response.status_code
    try:
        problem = response.json()
        code, detail = str(problem["code"]), str(problem["detail"])
        kind = class_of(code, status)
    except (ValueError, KeyError, TypeError):
        if status < 400 or status in NEVER_PLAIN:
            return _another_server(response, "a problem document")
        code, detail = UNEXPECTED, f"{response.request.url}: expected a problem document, got status {status} alone"
        kind = class_of_status(status)
    if issubclass(kind, Overloaded | Unavailable):
        after = retry_after_s(response)
        return kind(detail, code=code, retry_after_s=DEFAULT_RETRY_S if after is None else after)
    return kind(detail, code=code)


def retry_after_s(response: httpx.Response) -> int | None:
    """Seconds until the time in `Retry-After`, a number of seconds or a date; None if it is missing or invalid.

    A date is compared with the response's own `Date`, because the clocks of client and server may differ.
    """
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return int(value)
    try:
        left = parsedate_to_datetime(value) - parsedate_to_datetime(response.headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    return max(0, round(left.total_seconds()))


def _another_server(response: httpx.Response, expected: str) -> ConfigurationError:
    request = response.request
    kind = response.headers.get("content-type", "no content type")
    to = f", a redirect to {response.headers['location']}" if "location" in response.headers else ""
    return ConfigurationError(
        f"{request.method} {request.url}: expected {expected} from a dualtrack service, got status"
        f" {response.status_code} with {kind}{to}; another server may be listening at this address"
    )

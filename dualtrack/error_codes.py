"""Every code of an error: its class and its HTTP status, for the service that answers and the client that reads."""

from collections.abc import Mapping
from types import MappingProxyType

from dualtrack.errors import (
    Canceled,
    ConfigurationError,
    Conflict,
    ContractViolation,
    DualtrackError,
    EngineDied,
    Gone,
    InferenceError,
    InferenceTimeout,
    InvalidDataset,
    InvalidDetections,
    InvalidInput,
    InvalidParameter,
    InvalidResult,
    InvalidVideo,
    JobFailed,
    NewerFormat,
    NotFound,
    Overloaded,
    TooLarge,
    Unauthorized,
    Unavailable,
)

CODES_OF_CLASS: Mapping[type[DualtrackError], tuple[str, ...]] = {
    DualtrackError: ("internal",),
    InvalidInput: (
        "invalid-input",
        "bad-request",
        "method-not-allowed",
        "requested-range-not-satisfiable",
        "malformed-json",
        "malformed-multipart",
        "missing-part",
        "unexpected-part",
        "unsupported-media-type",
        "upload-stalled",
    ),
    InvalidParameter: ("invalid-parameter",),
    InvalidVideo: (
        "malformed",
        "decode-failed",
        "empty-file",
        "file-too-large",
        "no-frames",
        "no-such-file",
        "no-video",
        "timeout",
        "too-large",
        "too-long",
        "too-many-frames",
        "too-small",
        "unsupported-codec",
        "unsupported-container",
    ),
    InvalidDetections: ("invalid-detections",),
    TooLarge: ("body-too-large",),
    InvalidDataset: ("invalid-dataset",),
    InvalidResult: ("invalid-result",),
    Unauthorized: ("unauthorized",),
    NotFound: ("not-found", "no-overlay", "unknown-detections", "unknown-job", "unknown-video"),
    Conflict: ("conflict", "idempotency-key-reused", "job-canceled", "job-failed", "not-ready"),
    Gone: ("gone", "result-deleted", "video-deleted"),
    Overloaded: ("queue-full", "too-many-uploads"),
    Unavailable: (
        "unavailable",
        "disk-full",
        "model-dead",
        "state-full",
        "state-unavailable",
        "triton-unavailable",
        "unreachable",
    ),
    Canceled: ("canceled",),
    JobFailed: ("detections-deleted", "job-deadline"),
    InferenceError: ("inference-failed",),
    ContractViolation: ("contract-violation",),
    InferenceTimeout: ("inference-timeout",),
    EngineDied: ("engine-died",),
    ConfigurationError: ("configuration",),
    NewerFormat: ("newer-format",),
}
CLASS_OF_CODE: Mapping[str, type[DualtrackError]] = MappingProxyType(
    {code: kind for kind, codes in CODES_OF_CLASS.items() for code in codes}
)

STATUS_OF_CODE: Mapping[str, int] = {
    "bad-request": 400,
    "malformed-json": 400,
    "malformed-multipart": 400,
    "method-not-allowed": 405,
    "upload-stalled": 408,
    "file-too-large": 413,
    "unsupported-media-type": 415,
    "unsupported-container": 415,
    "unsupported-codec": 415,
    "requested-range-not-satisfiable": 416,
    "idempotency-key-reused": 422,
    "disk-full": 507,
}
"""Codes whose status differs from that of their class."""

STATUS_OF_CLASS: tuple[tuple[type[DualtrackError], int], ...] = (
    (TooLarge, 413),
    (InvalidResult, 500),  # stored by the service: not the caller's fault
    (InvalidInput, 422),
    (Unauthorized, 401),
    (NotFound, 404),
    (Conflict, 409),
    (Gone, 410),
    (Overloaded, 429),
    (Unavailable, 503),
    (InferenceTimeout, 503),
    (NewerFormat, 503),
)
"""First match counts; every other error is a 500."""

INTERNAL = 500
"""The status of errors whose cause callers do not see: the response has the code `internal` whatever went wrong."""

CLASS_OF_STATUS: Mapping[int, type[DualtrackError]] = {
    401: Unauthorized,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: TooLarge,
    415: InvalidVideo,
    422: InvalidVideo,
    429: Overloaded,
    503: Unavailable,
}
"""For codes that this version does not know."""


def status_of(kind: type[DualtrackError], code: str) -> int:
    """The HTTP status of an error of this class with this code."""
    by_class = next((status for each, status in STATUS_OF_CLASS if issubclass(kind, each)), INTERNAL)
    return STATUS_OF_CODE.get(code, by_class)


def class_of(code: str, status: int) -> type[DualtrackError]:
    """The class of the error that an answer with this code and status stands for.

    The status decides where the code is unknown, and where one code has two meanings: `not-ready` is a `Conflict`
    for a result (409), but `Unavailable` for the service itself (503).
    """
    kind = CLASS_OF_CODE.get(code)
    if kind is not None:
        own = status_of(kind, code)
        if own != INTERNAL and own // 100 == status // 100:
            return kind
    return class_of_status(status)


def class_of_status(status: int) -> type[DualtrackError]:
    """The class that a status alone stands for."""
    default = InvalidInput if 400 <= status < 500 else DualtrackError
    return CLASS_OF_STATUS.get(status, default)


def error_of_code(code: str, detail: str) -> DualtrackError:
    """The error that an engine process reported by this code."""
    kind = CLASS_OF_CODE.get(code, DualtrackError)
    if issubclass(kind, JobFailed):
        return kind(detail, code=code, final=True)
    return kind(detail, code=code)

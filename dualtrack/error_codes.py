"""Class and HTTP status of every error code, for the service that sends them and the client that receives them."""

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
    OverlayFailed,
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
        "foreign-origin",
        "method-not-allowed",
        "misdirected-request",
        "request-timeout",
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
    Conflict: ("conflict", "artifact-failed", "idempotency-key-reused", "job-canceled", "job-failed", "not-ready"),
    Gone: ("gone", "result-deleted", "video-deleted"),
    Overloaded: ("queue-full", "too-many-uploads"),
    Unavailable: (
        "unavailable",
        "disk-full",
        "model-dead",
        "state-full",
        "state-refused",
        "state-unavailable",
        "triton-unavailable",
        "unreachable",
    ),
    Canceled: ("canceled",),
    OverlayFailed: ("overlay-failed",),
    JobFailed: ("detections-deleted", "job-deadline", "too-many-attempts"),
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

CAUSES_WITHOUT_ERROR = frozenset({"worker-died"})
"""Causes of a failed attempt that no error reports: nothing was left to raise one. They occur in the metrics alone."""

STATUS_OF_CODE: Mapping[str, int] = {
    "bad-request": 400,
    "malformed-json": 400,
    "malformed-multipart": 400,
    "foreign-origin": 403,
    "method-not-allowed": 405,
    "request-timeout": 408,
    "upload-stalled": 408,
    "file-too-large": 413,
    "unsupported-media-type": 415,
    "unsupported-container": 415,
    "unsupported-codec": 415,
    "requested-range-not-satisfiable": 416,
    "misdirected-request": 421,
    "idempotency-key-reused": 422,
    "disk-full": 507,
}
"""Codes whose status differs from their class's."""

STATUS_OF_CLASS: tuple[tuple[type[DualtrackError], int], ...] = (
    (TooLarge, 413),
    (InvalidResult, 500),  # stored by the service: not a mistake in the request
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
"""The first match counts; any other error is a 500."""

INTERNAL = 500
"""Status of errors whose cause is not sent to callers: the response always has the code `internal`."""

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
"""Used for codes that are unknown to this version."""


def status_of(kind: type[DualtrackError], code: str) -> int:
    """The HTTP status of an error of this class with this code."""
    by_class = next((status for each, status in STATUS_OF_CLASS if issubclass(kind, each)), INTERNAL)
    return STATUS_OF_CODE.get(code, by_class)


def class_of(code: str, status: int) -> type[DualtrackError]:
    """The class of the error that a response with this code and status reports.

    The status decides if the code is unknown or has two meanings: `not-ready` is a `Conflict` for a result (409), but
    `Unavailable` for the service itself (503).
    """
    kind = CLASS_OF_CODE.get(code)
    if kind is not None:
        own = status_of(kind, code)
        if own != INTERNAL and own // 100 == status // 100:
            return kind
    return class_of_status(status)


def class_of_status(status: int) -> type[DualtrackError]:
    """The class of the error that a status alone indicates."""
    default = InvalidInput if 400 <= status < 500 else DualtrackError
    return CLASS_OF_STATUS.get(status, default)


def error_of_code(code: str, detail: str) -> DualtrackError:
    """The error that an engine process reported with this code."""
    kind = CLASS_OF_CODE.get(code, DualtrackError)
    if issubclass(kind, JobFailed):
        return kind(detail, code=code, final=True)
    return kind(detail, code=code)

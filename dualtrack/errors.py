"""All errors that dualtrack raises deliberately.

    DualtrackError
    ├── InvalidInput            the input or request is invalid; HTTP status 4xx, except InvalidResult
    │   ├── InvalidParameter    a parameter is unknown or out of range
    │   ├── InvalidVideo        the file can't be used as a video (code: too-large, malformed, no-video, …)
    │   ├── InvalidDetections   a detections file can't be used; the message names the record
    │   ├── TooLarge            the request body exceeds the size limit
    │   ├── InvalidDataset      an annotation file can't be used for evaluation
    │   └── InvalidResult       a file or document is not a complete result (500: of the service itself)
    ├── Unauthorized            the API key is missing or wrong
    ├── NotFound                the video, job, model or file does not exist
    ├── Conflict                not possible in the current state, such as a result that is not ready
    ├── Gone                    deleted, such as a job whose video was deleted
    ├── Overloaded              a queue is full; try again later
    ├── Unavailable             temporarily unavailable: the service, Redis, Triton or disk space
    ├── Canceled                the job was canceled
    ├── OverlayFailed           the overlay could not be drawn; the result itself is complete
    ├── JobFailed               the engine reported that a job failed, and whether a retry can help
    ├── InferenceError          inference failed
    │   ├── ContractViolation   a tensor differs from its specification
    │   ├── InferenceTimeout    no response within the deadline
    │   └── EngineDied          the engine process ended or was stopped during a job
    ├── ConfigurationError      the installation or its configuration does not work
    └── NewerFormat             written in a newer format than this version can read

Exceptions of libraries are caught where the library is called, and chained to one of these errors.
A message names the object, what was expected and what was received.
"""


class DualtrackError(Exception):
    """Base class of all errors that dualtrack raises deliberately.

    Attributes:
        code: stable name of the error in kebab case, such as `invalid-parameter`; also the last part of `type` in the
            service's problem documents.
        detail: the message.

    Example:
        >>> import dualtrack
        >>> try:
        ...     dualtrack.segment("clip.mp4", th_det=3)
        ... except dualtrack.InvalidParameter as error:
        ...     print(error.code)
        invalid-parameter
    """

    code = "internal"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class InvalidInput(DualtrackError):
    """The input or request is invalid."""

    code = "invalid-input"


class InvalidParameter(InvalidInput):
    """A parameter is unknown or out of range."""

    code = "invalid-parameter"


class InvalidVideo(InvalidInput):
    """The file can't be used as a video; `code` is the reason, such as `no-video` or `too-long`."""

    code = "malformed"


class InvalidDetections(InvalidInput):
    """A detections file can't be used; the message names the record."""

    code = "invalid-detections"


class TooLarge(InvalidInput):
    """The request body exceeds the size limit."""

    code = "body-too-large"


class InvalidDataset(InvalidInput):
    """An annotation file, or the folder it describes, can't be used for evaluation."""

    code = "invalid-dataset"


class InvalidResult(InvalidInput):
    """A file or document is not a result, or is incomplete."""

    code = "invalid-result"


class Unauthorized(DualtrackError):
    """The service requires an API key, and the request's is missing or wrong."""

    code = "unauthorized"


class NotFound(DualtrackError):
    """The video, job, model or file does not exist."""

    code = "not-found"


class Conflict(DualtrackError):
    """The request is valid but conflicts with the current state, such as reading a result that is not ready."""

    code = "conflict"


class Gone(DualtrackError):
    """The object was deleted, such as a job whose video was deleted."""

    code = "gone"


class Overloaded(DualtrackError):
    """A queue of the service is full; try again later.

    Attributes:
        retry_after_s: seconds after which to try again.
    """

    code = "queue-full"

    def __init__(self, detail: str, *, code: str | None = None, retry_after_s: int = 5) -> None:
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s


class Unavailable(DualtrackError):
    """The service, or something it needs such as Redis, Triton or disk space, is temporarily unavailable.

    Attributes:
        retry_after_s: seconds after which to try again.
    """

    code = "unavailable"

    def __init__(self, detail: str, *, code: str | None = None, retry_after_s: int = 5) -> None:
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s


class Canceled(DualtrackError):
    """The job was canceled."""

    code = "canceled"


class OverlayFailed(DualtrackError):
    """The overlay could not be drawn; the result is complete. The message has the reason, and the result's folder."""

    code = "overlay-failed"


class JobFailed(DualtrackError):
    """The engine reported that a job failed.

    Attributes:
        final: whether another attempt would fail in the same way.
    """

    def __init__(self, detail: str, *, code: str, final: bool) -> None:
        super().__init__(detail, code=code)
        self.final = final


class InferenceError(DualtrackError):
    """Inference failed."""

    code = "inference-failed"


class ContractViolation(InferenceError):
    """A tensor differs from its specification in name, dtype or shape."""

    code = "contract-violation"


class InferenceTimeout(InferenceError):
    """A network did not respond within the deadline."""

    code = "inference-timeout"


class EngineDied(InferenceError):
    """The engine process ended during a job, or was stopped because it sent an invalid message."""

    code = "engine-died"


class ConfigurationError(DualtrackError):
    """The installation, or its configuration, does not work."""

    code = "configuration"


class NewerFormat(DualtrackError):
    """Data is in a newer format than this version can read; the message has both format numbers."""

    code = "newer-format"

"""Every error that dualtrack raises on purpose.

    DualtrackError
    ├── InvalidInput            the caller's fault: a 4xx problem
    │   ├── InvalidParameter    a request parameter is unknown or out of range
    │   ├── InvalidVideo        the file can't be used (code: too-large, malformed, no-video, …)
    │   ├── InvalidDetections   a file of detections can't be used: which record, and why
    │   ├── TooLarge            the body is over the limit
    │   ├── InvalidDataset      an annotation file that evaluation can't use
    │   └── InvalidResult       a file or document that is no result
    ├── Unauthorized            the API key is missing or wrong
    ├── NotFound                no such video, job or model
    ├── Conflict                right request, wrong moment (result before it is ready)
    ├── Gone                    it was here and is not any more (job of a deleted video)
    ├── Overloaded              a bounded queue is full: try again later
    ├── Unavailable             Redis, Triton or the disk can't be reached now
    ├── Canceled                the job was cancelled while it ran
    ├── JobFailed               the engine said that a job failed, and whether for good
    ├── InferenceError          a graph failed
    │   ├── ContractViolation   a tensor differs from its spec
    │   ├── InferenceTimeout    no answer within the deadline
    │   └── EngineDied          the engine process ended, or was stopped, in the middle of a job
    ├── ConfigurationError      the installation can't work as configured
    └── NewerFormat             a newer version wrote this: its format number is higher than the reader's

Exceptions of libraries stop at the adapter that calls the library and are chained to one of these.
A message names the thing, what was wanted and what came.
"""


class DualtrackError(Exception):
    """Base of all of them.

    Attributes:
        code: stable, kebab-case name of the problem; the last part of a problem's `type`.
    """

    code = "internal"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class InvalidInput(DualtrackError):
    """The caller's fault."""

    code = "invalid-input"


class InvalidParameter(InvalidInput):
    """A request parameter is unknown or out of its range."""

    code = "invalid-parameter"


class InvalidVideo(InvalidInput):
    """The file is no video that can be used; `code` says why."""

    code = "malformed"


class InvalidDetections(InvalidInput):
    """A file of detections that can't be used; the message names the record."""

    code = "invalid-detections"


class TooLarge(InvalidInput):
    """The body is over the limit."""

    code = "body-too-large"


class InvalidDataset(InvalidInput):
    """An annotation file or its folder can't be used."""

    code = "invalid-dataset"


class InvalidResult(InvalidInput):
    """A file or document is no result, or not all of it is there."""

    code = "invalid-result"


class Unauthorized(DualtrackError):
    """The service asks for an API key, and none or another one came."""

    code = "unauthorized"


class NotFound(DualtrackError):
    """No such video, job or model."""

    code = "not-found"


class Conflict(DualtrackError):
    """The request is right but comes at the wrong moment."""

    code = "conflict"


class Gone(DualtrackError):
    """It was here and is not any more."""

    code = "gone"


class Overloaded(DualtrackError):
    """A bounded queue is full."""

    code = "queue-full"

    def __init__(self, detail: str, *, code: str | None = None, retry_after_s: int = 5) -> None:
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s


class Unavailable(DualtrackError):
    """Redis, Triton or the disk can't be reached now."""

    code = "unavailable"

    def __init__(self, detail: str, *, code: str | None = None, retry_after_s: int = 5) -> None:
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s


class Canceled(DualtrackError):
    """The job was cancelled while it ran."""

    code = "canceled"


class JobFailed(DualtrackError):
    """The engine said that the job failed; `final` if another attempt would, too."""

    def __init__(self, detail: str, *, code: str, final: bool) -> None:
        super().__init__(detail, code=code)
        self.final = final


class InferenceError(DualtrackError):
    """A graph failed."""

    code = "inference-failed"


class ContractViolation(InferenceError):
    """A tensor differs from its spec in name, dtype or shape."""

    code = "contract-violation"


class InferenceTimeout(InferenceError):
    """A graph gave no answer within its deadline."""

    code = "inference-timeout"


class EngineDied(InferenceError):
    """The engine process ended in the middle of a job, or was stopped because its answers make no sense."""

    code = "engine-died"


class ConfigurationError(DualtrackError):
    """The installation can't work as it is configured."""

    code = "configuration"


class NewerFormat(DualtrackError):
    """A newer version wrote this: its format number is higher than the reader's; the message has both."""

    code = "newer-format"

"""Every error that dualtrack raises on purpose.

    DualtrackError
    ├── InvalidInput            the request or a file can't be used: a 4xx problem, except InvalidResult
    │   ├── InvalidParameter    a request parameter is unknown or out of range
    │   ├── InvalidVideo        the file can't be used (code: too-large, malformed, no-video, …)
    │   ├── InvalidDetections   a file of detections can't be used: which record, and why
    │   ├── TooLarge            the body is over the limit
    │   ├── InvalidDataset      an annotation file that evaluation can't use
    │   └── InvalidResult       a file or document that is not a result; of a service's own file: a 500 problem
    ├── Unauthorized            the API key is missing or wrong
    ├── NotFound                no such video, job or model
    ├── Conflict                the request conflicts with the state of the job (result before it is ready)
    ├── Gone                    it existed but was removed (job of a deleted video)
    ├── Overloaded              a bounded queue is full: try again later
    ├── Unavailable             Redis, Triton or the disk can't be reached at the moment
    ├── Canceled                the job was canceled while it ran
    ├── JobFailed               the engine reported that a job failed, and whether a retry can help
    ├── InferenceError          a graph failed
    │   ├── ContractViolation   a tensor differs from its spec
    │   ├── InferenceTimeout    no answer within the deadline
    │   └── EngineDied          the engine process ended, or was stopped, during a job
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
    """The request, or a file that it names, can't be used."""

    code = "invalid-input"


class InvalidParameter(InvalidInput):
    """A request parameter is unknown or out of its range."""

    code = "invalid-parameter"


class InvalidVideo(InvalidInput):
    """The file can't be used as a video; `code` says why."""

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
    """A file or document is not a result, or part of it is missing."""

    code = "invalid-result"


class Unauthorized(DualtrackError):
    """The service requires an API key; the request has none, or a wrong one."""

    code = "unauthorized"


class NotFound(DualtrackError):
    """No such video, job or model."""

    code = "not-found"


class Conflict(DualtrackError):
    """The request is valid but conflicts with the job's current state."""

    code = "conflict"


class Gone(DualtrackError):
    """It existed but was removed."""

    code = "gone"


class Overloaded(DualtrackError):
    """A bounded queue is full."""

    code = "queue-full"

    def __init__(self, detail: str, *, code: str | None = None, retry_after_s: int = 5) -> None:
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s


class Unavailable(DualtrackError):
    """Redis, Triton or the disk can't be reached at the moment."""

    code = "unavailable"

    def __init__(self, detail: str, *, code: str | None = None, retry_after_s: int = 5) -> None:
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s


class Canceled(DualtrackError):
    """The job was canceled while it ran."""

    code = "canceled"


class JobFailed(DualtrackError):
    """The engine reported that the job failed; `final` if another attempt would fail as well."""

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
    """The engine process ended in the middle of a job, or was stopped because its messages were invalid."""

    code = "engine-died"


class ConfigurationError(DualtrackError):
    """The installation can't work as it is configured."""

    code = "configuration"


class NewerFormat(DualtrackError):
    """A newer version wrote this: its format number is higher than the reader's; the message has both."""

    code = "newer-format"

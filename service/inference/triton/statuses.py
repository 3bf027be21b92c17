"""What a Triton server's statuses and messages mean, as errors of ours."""

from tritonclient.utils import InferenceServerException

from dualtrack.errors import DualtrackError, InferenceError, InferenceTimeout, Unavailable

GONE = ("UNAVAILABLE", "CANCELLED")
"""Statuses of a server that can't be reached, is full, or is shutting down."""
EXPIRED = ("Request timeout expired",)
"""Message of a request that waited too long in the server's queue; its status is UNAVAILABLE as well."""
LEAVING = ("has no available versions", "is not ready")
"""Messages of a model that is being unloaded or loaded (NOT_FOUND or UNAVAILABLE)."""
DEAD = ("is not healthy",)
"""Message of a model whose backend process has died (INTERNAL); the server still reports it as ready."""
DEAD_CODE = "model-dead"


def translated(error: InferenceServerException, model: str, url: str) -> DualtrackError:
    """Convert the server's status to one of our errors, whose message names the model and the cause."""
    status, text = str(error.status()).removeprefix("StatusCode."), error.message() or "no message"
    if status == "DEADLINE_EXCEEDED" or any(part in text for part in EXPIRED):
        return InferenceTimeout(f"{model}: Triton at {url} did not respond within the deadline: {text}")
    if any(part in text for part in DEAD):
        return Unavailable(f"{model}: its process on Triton at {url} has died: {text}", code=DEAD_CODE)
    if status in GONE or any(part in text for part in LEAVING):
        return Unavailable(f"{model}: Triton at {url} is unavailable: {text}", code="triton-unavailable")
    return InferenceError(f"{model}: Triton at {url}: {status}: {text}")


def not_reloaded(error: InferenceServerException, model: str, url: str) -> Unavailable:
    """The error for a model whose process has died, and which the server does not load again."""
    return Unavailable(f"{model}: Triton at {url} can't reload it: {error.message()}", code=DEAD_CODE)

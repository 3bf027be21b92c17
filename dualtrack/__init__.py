"""Video instance segmentation: segment videos on this machine or with a running service.

Example:
    >>> import dualtrack
    >>> result = dualtrack.segment("clip.mp4", categories="ytvis2019")  # on this machine
    >>> with dualtrack.Client("http://127.0.0.1:8080") as client:  # with a service
    ...     result = client.submit("clip.mp4").wait().result()
    >>> for tubelet in result.tubelets:
    ...     mask = tubelet.mask(tubelet.first_frame)  # (height, width), bool

The names in `__all__` are the public interface; nothing else in the repository is public. This package is the lowest
layer: it never imports `service`, which imports it. Names are imported on first use, because the processes of the
service also import this package and need only a few of them.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dualtrack.client.artifact import Artifact
    from dualtrack.client.async_client import AsyncClient
    from dualtrack.client.client import Client
    from dualtrack.client.job import AsyncJob, Job, JobSummary
    from dualtrack.engine.engine import Engine, segment
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
    from dualtrack.parameters import Parameters
    from dualtrack.progress import Progress
    from dualtrack.result.model import Category, Chunk, ClassScore, Entry, Tubelet, Video
    from dualtrack.result.result import Result, load

MODULE_OF = {
    **dict.fromkeys(("Artifact",), "dualtrack.client.artifact"),
    **dict.fromkeys(("Client",), "dualtrack.client.client"),
    **dict.fromkeys(("AsyncClient",), "dualtrack.client.async_client"),
    **dict.fromkeys(("AsyncJob", "Job", "JobSummary"), "dualtrack.client.job"),
    **dict.fromkeys(("Engine", "segment"), "dualtrack.engine.engine"),
    **dict.fromkeys(("Parameters",), "dualtrack.parameters"),
    **dict.fromkeys(("Progress",), "dualtrack.progress"),
    **dict.fromkeys(("Category", "Chunk", "ClassScore", "Entry", "Tubelet", "Video"), "dualtrack.result.model"),
    **dict.fromkeys(("Result", "load"), "dualtrack.result.result"),
}
"""The module that defines each public name; the errors are in `ERRORS`."""
ERRORS = "dualtrack.errors"

__all__ = [
    "Artifact",
    "AsyncClient",
    "AsyncJob",
    "Canceled",
    "Category",
    "Chunk",
    "ClassScore",
    "Client",
    "ConfigurationError",
    "Conflict",
    "ContractViolation",
    "DualtrackError",
    "Engine",
    "EngineDied",
    "Entry",
    "Gone",
    "InferenceError",
    "InferenceTimeout",
    "InvalidDataset",
    "InvalidDetections",
    "InvalidInput",
    "InvalidParameter",
    "InvalidResult",
    "InvalidVideo",
    "Job",
    "JobFailed",
    "JobSummary",
    "NewerFormat",
    "NotFound",
    "OverlayFailed",
    "Overloaded",
    "Parameters",
    "Progress",
    "Result",
    "TooLarge",
    "Tubelet",
    "Unauthorized",
    "Unavailable",
    "Video",
    "__version__",
    "load",
    "segment",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use.

    Raises:
        AttributeError: no public name is `name`.
    """
    if name == "__version__":
        value: Any = _version()
    elif name in __all__:
        value = getattr(import_module(MODULE_OF.get(name, ERRORS)), name)
    else:
        raise AttributeError(f"module 'dualtrack' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)


def _version() -> str:
    try:
        return version("dualtrack")
    except PackageNotFoundError:
        return "0"

"""Progress of a job or of a run of the engine."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a job or of a run of the engine.

    Attributes:
        stage: current stage: `decode`, `detect`, `calibrate`, `track`, `merge`, `fill` or `render`.
        done: number of the video's frames that this stage has processed.
        total: number of the video's frames.
        fraction: share of the whole job that is done, in [0, 1]. A service estimates it; None from an `Engine`.
        rate: frames per second in this stage. None until a service has measured it, and always from an `Engine`.
        eta_s: estimated seconds until the job is done. None until a service can estimate it, and always from an
            `Engine`.

    Example:
        >>> import dualtrack
        >>> def show(progress: dualtrack.Progress) -> None:
        ...     print(f"{progress.stage}: {progress.done} of {progress.total} frames")
        >>> result = dualtrack.segment("clip.mp4", on_progress=show)
    """

    stage: str
    done: int
    total: int
    fraction: float | None = None
    rate: float | None = None
    eta_s: float | None = None


OnProgress = Callable[[Progress], object]
"""Callback for progress. Its return value is ignored; an exception it raises ends the wait or the run."""

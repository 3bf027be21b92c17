"""How far a job or a run of the engine is."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    Attributes:
        stage: `decode`, `detect`, `calibrate`, `track`, `merge`, `fill` or `render`.
        done: frames of the video that this stage has processed.
        total: frames of the video.
        fraction: of the whole job, in [0, 1]; only a service estimates it, else None.
        rate: frames per second in this stage; None before it is known, and from an `Engine`.
        eta_s: estimated seconds until the job is done; None before it is known, and from an `Engine`.
    """

    stage: str
    done: int
    total: int
    fraction: float | None = None
    rate: float | None = None
    eta_s: float | None = None


OnProgress = Callable[[Progress], object]
"""Called after every change; what it returns is ignored, what it raises ends the wait or the run."""

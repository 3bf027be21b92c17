"""Progress of a video, as reported by the stages."""

from collections.abc import Callable
from dataclasses import dataclass

STAGES = ("decode", "detect", "calibrate", "track", "merge", "fill")
"""In the order in which a job first reports them; `detect` to `fill` repeat for every chunk. `fill` only occurs if not
all frames are tracked; `merge` is the end of a chunk: label, suppress, stitch. The overlay, which is drawn after the
job, reports `render` (`artifacts/overlay`)."""


@dataclass(frozen=True, slots=True)
class StageProgress:
    """A stage has processed `done` of the video's `total` frames; `done` never decreases, even between chunks."""

    stage: str
    done: int
    total: int


Report = Callable[[StageProgress], None]

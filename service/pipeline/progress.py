"""How far a video is: what the stages report."""

from collections.abc import Callable
from dataclasses import dataclass

STAGES = ("decode", "detect", "calibrate", "track", "merge", "fill", "render")
"""In the order in which a job first reports them; with several chunks `detect` to `fill` repeat. `fill` only where not
all frames are tracked; `merge` is the end of a chunk: label, suppress, stitch."""


@dataclass(frozen=True, slots=True)
class StageProgress:
    """A stage has processed `done` of the video's `total` frames; `done` never falls, also from chunk to chunk."""

    stage: str
    done: int
    total: int


Report = Callable[[StageProgress], None]

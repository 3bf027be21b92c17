"""How far a video is: what the stages report."""

from collections.abc import Callable
from dataclasses import dataclass

STAGES = ("decode", "detect", "calibrate", "track", "merge", "fill", "render")
"""In the order in which a job first reports them; with several chunks `detect` to `fill` repeat. `fill` only where not
all frames are tracked; `merge` is the end of a chunk: label, suppress, stitch."""


@dataclass(frozen=True, slots=True)
class StageProgress:
    """`done` of the video's `total` frames are through a stage; `done` never falls, chunks included."""

    stage: str
    done: int
    total: int


Report = Callable[[StageProgress], None]

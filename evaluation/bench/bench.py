"""Inputs shared by all rows."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from evaluation.bench.clips import ClipSpec, make_clip
from evaluation.bench.plan import BenchPlan
from service.pipeline.context import PipelineContext
from service.settings import Settings

DEMO = Path("demo/pedestrians.mp4")


@dataclass(frozen=True)
class Bench:
    """Networks, folders and sizes.

    Attributes:
        context: with networks in this process and without a cache.
        settings: from which the context was opened.
        folder: for clips and other files of the rows.
        plan: sizes.
        notify: called with a line on what is being measured.
        against: the command `dualtrack` of another version, for rows 14 and 15.
        clips: videos of these rows.
    """

    context: PipelineContext
    settings: Settings
    folder: Path
    plan: BenchPlan
    notify: Callable[[str], None]
    against: Path | None = None
    clips: tuple[Path, ...] = (DEMO,)

    def clip(self, spec: ClipSpec) -> Path:
        """The file of a clip, created on first use."""
        return make_clip(spec, self.folder)

    def own_folder(self, name: str) -> Path:
        """A folder for the caller's exclusive use."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        return folder


def middle(values: list[float]) -> float:
    """The median."""
    return float(median(values))

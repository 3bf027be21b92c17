"""What every row is given."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from evaluation.bench.clips import ClipSpec, make_clip
from evaluation.bench.plan import BenchPlan
from service.pipeline.context import PipelineContext
from service.settings import Settings


@dataclass(frozen=True)
class Bench:
    """Networks, folders, sizes.

    Attributes:
        context: networks in this process; nothing is cached.
        settings: that the context was opened with.
        folder: for clips and whatever a row needs.
        plan: sizes.
        notify: called with what is being measured.
    """

    context: PipelineContext
    settings: Settings
    folder: Path
    plan: BenchPlan
    notify: Callable[[str], None]

    def clip(self, spec: ClipSpec) -> Path:
        """The file of a clip, made when first asked for."""
        return make_clip(spec, self.folder)

    def own_folder(self, name: str) -> Path:
        """A folder that only the caller uses."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        return folder


def middle(values: list[float]) -> float:
    """The median."""
    return float(median(values))

"""Figures of clips, whichever evaluation they come from."""

from collections.abc import Sequence

from evaluation.data.dataset import Document
from evaluation.metrics.ytvis import figures
from evaluation.runs.given import mean_figures


def figures_of(clips: Sequence[Document]) -> dict[str, float]:
    """Means over tracks for clips of `--given`, else the metrics of tubelets; nothing for no clips."""
    if not clips:
        return {}
    return mean_figures(clips) if "tracks" in clips[0] else figures(clips)

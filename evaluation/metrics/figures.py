"""Metrics over clips, for all kinds of evaluations."""

from collections.abc import Sequence

import numpy as np

from evaluation.data.dataset import Document
from evaluation.metrics.identity import identity_figures
from evaluation.metrics.thresholds import threshold_figures
from evaluation.metrics.ytvis import figures

COUNTS = ("crossings", "switches", "unanswered_crossings")
"""Counts in the record of a clip evaluated with `--given`."""


def figures_of(clips: Sequence[Document]) -> dict[str, float]:
    """Means over tracks for clips of `--given`, else the metrics of tubelets; empty without clips.

    Clips with counts of `identity_counts` under `identity` also give the figures of these.
    """
    if not clips:
        return {}
    if "tracks" in clips[0]:
        return mean_figures(clips)
    counts = [clip["identity"] for clip in clips if "identity" in clip]
    return {**figures(clips), **threshold_figures(clips), **(identity_figures(counts) if counts else {})}


def mean_figures(clips: Sequence[Document]) -> dict[str, float]:
    """Means over the tracks of all clips (`tracks`), and counts over the clips with `switch_rate`, per crossing."""
    tracks = [track for clip in clips for track in clip["tracks"]]
    names = dict.fromkeys(name for track in tracks for name in track if name != "id")
    columns = {name: [track[name] for track in tracks if track[name] is not None] for name in names}
    means = {name: float(np.mean(values)) if values else 0.0 for name, values in columns.items()}
    counts = {name: sum(clip.get(name, 0) for clip in clips) for name in COUNTS}
    return {**means, **counts, "switch_rate": counts["switches"] / max(counts["crossings"], 1)}

"""Data kept for a clip between runs with different parameters, in addition to the stage cache."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from service.pipeline.features.by_frame import FeatureCache
from service.pipeline.run import Run
from service.structures.arrays import F32


@dataclass(frozen=True)
class Remembered:
    """Data kept for one clip.

    Attributes:
        features: f4 and f8 by frame.
        appearances: L2-normalized mean of f4 over a candidate's mask, (C4,), by frame and mask.
    """

    features: FeatureCache
    appearances: dict[Hashable, F32] = field(default_factory=dict)


def remember(run: Run) -> Remembered:
    """An empty store, for the first run on a clip."""
    return Remembered(FeatureCache(run.clip, run.canvas, run.networks, max_bytes=run.feature_bytes, spill=run.spill))

"""What is kept of a clip between runs with other parameters, besides the stage cache."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from service.pipeline.features.by_frame import FeatureCache
from service.pipeline.run import Run
from service.structures.arrays import F32


@dataclass(frozen=True)
class Remembered:
    """Of one clip.

    Attributes:
        features: f4 and f8 by frame.
        appearances: L2-normalised mean of f4 over a candidate's mask, (C4,), by frame and mask.
    """

    features: FeatureCache
    appearances: dict[Hashable, F32] = field(default_factory=dict)


def remember(run: Run) -> Remembered:
    """Nothing yet: what the first run on a clip starts with."""
    return Remembered(FeatureCache(run.clip, run.canvas, run.networks, max_bytes=run.feature_bytes, spill=run.spill))

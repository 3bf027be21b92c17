"""Parameters of class calibration and seed selection; defaults of the preset `default`."""

from dataclasses import dataclass
from typing import Literal

Estimator = Literal["all_candidates", "predicted_only", "top1_over_all", "frame_max", "topk_frames"]
"""How a class's average over the video is taken: A1 to A5 (docs/algorithm)."""
Strategy = Literal["greedy", "track_and_suppress"]


@dataclass(frozen=True, slots=True)
class CalibrationParams:
    """Class calibration (paper section 3.2).

    Attributes:
        estimator: which scores count in the average of a class.
        th_cc: a class is reliable if its average is above this; one that equals it is not.
        beta: weight of the unreliable classes; 1 switches calibration off.
        relabel: take the label anew after re-weighting.
        th_key: candidates whose re-weighted score is below are dropped; one that equals it is kept.
        min_frames: shorter videos are not calibrated.
    """

    estimator: Estimator = "frame_max"
    th_cc: float = 0.15
    beta: float = 0.1
    relabel: bool = True
    th_key: float = 0.03
    min_frames: int = 3
    topk: int = 3


@dataclass(frozen=True, slots=True)
class ProposalParams:
    """Choice of the seeds.

    Attributes:
        strategy: `greedy` takes every candidate that no better one covers; `track_and_suppress` tracks the
            best of each linked group first and drops what the tubelets explain.
        th_iou: mask IoU above which two candidates count as one; at it they are two.
        max_seeds: most seeds per chunk of the video.
        max_rounds: most rounds of `track_and_suppress`.
    """

    strategy: Strategy = "track_and_suppress"
    th_iou: float = 0.5
    max_seeds: int = 30
    max_rounds: int = 12

"""Parameters of class calibration and seed selection; defaults of the preset `default`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from service.structures.parameter import Parameter, Share, check_ranges

Estimator = Literal["all_candidates", "predicted_only", "top1_over_all", "frame_max", "topk_frames"]
"""How a class's average over the video is taken: A1 to A5 of docs/method.md, section 3."""
Strategy = Literal["greedy", "track_and_suppress"]


@dataclass(frozen=True, slots=True)
class CalibrationParams:
    """Class calibration (docs/method.md, section 3).

    Attributes:
        th_cc: a class whose average equals it is not reliable.
        th_key: a score that equals it is kept.
        min_frames: shorter videos are not calibrated.
    """

    estimator: Annotated[Estimator, Parameter("How a class's average over the video is taken.")] = "frame_max"
    th_cc: Annotated[Share, Parameter("A class is reliable if its average is above this.")] = 0.15
    beta: Annotated[Share, Parameter("Weight of unreliable classes; 1 switches calibration off.")] = 0.1
    relabel: Annotated[bool, Parameter("Choose the label again after calibration.")] = True
    th_key: Annotated[Share, Parameter("Calibrated candidates below this score are dropped.")] = 0.03
    min_frames: int = 3
    topk: int = 3

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, slots=True)
class ProposalParams:
    """Choice of the seeds (docs/method.md, section 4).

    Attributes:
        strategy: `greedy` takes every candidate that no better one covers; `track_and_suppress` tracks the
            best of each linked group first and drops what the tubelets explain.
        th_iou: a pair with exactly this IoU counts as two candidates.
        max_rounds: most rounds of `track_and_suppress`.
    """

    strategy: Annotated[Strategy, Parameter("How the key detections are chosen.")] = "track_and_suppress"
    th_iou: Annotated[Share, Parameter("Mask IoU above which two candidates count as one.")] = 0.5
    max_seeds: Annotated[int, Interval(ge=1, le=100), Parameter("Most key detections per chunk.")] = 30
    max_rounds: int = 12

    def __post_init__(self) -> None:
        check_ranges(self)

"""Parameters of class calibration and seed selection, with the defaults of the preset `default`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from service.structures.parameter import Parameter, Share, check_ranges

Estimator = Literal["all_candidates", "predicted_only", "top1_over_all", "frame_max", "topk_frames", "best_window"]
"""How a class's average score over the chunk is computed: A1 to A6 of docs/method.md, section 3."""
Strategy = Literal["greedy", "track_and_suppress"]


@dataclass(frozen=True, slots=True)
class CalibrationParams:
    """Class calibration (docs/method.md, section 3).

    Attributes:
        th_cc: exclusive; a class with exactly this average is not reliable.
        th_key: inclusive; a candidate with exactly this score is kept.
        min_frames: shorter chunks are not calibrated.
        topk: number of frames that the estimator `topk_frames` averages.
        window: length in frames of the windows of the estimator `best_window`; a shorter chunk is one window.
    """

    estimator: Annotated[
        Estimator, Parameter("Class calibration: how a class's average score over the chunk is computed.")
    ] = "best_window"
    th_cc: Annotated[
        Share,
        Parameter(
            "Class calibration: a class is reliable in a chunk if its average score there is above this; the scores of "
            "all other classes are multiplied by `beta`."
        ),
    ] = 0.15
    beta: Annotated[
        Share, Parameter("Factor on the scores of classes that are not reliable; 1 disables calibration.")
    ] = 0.1
    relabel: Annotated[bool, Parameter("Let calibration change a detection's label.")] = True
    th_key: Annotated[Share, Parameter("Minimum score after calibration; detections below it are dropped.")] = 0.03
    min_frames: int = 3
    topk: int = 3
    window: int = 20

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, slots=True)
class ProposalParams:
    """Selection of seeds, the key detections (docs/method.md, section 4).

    Attributes:
        strategy: `greedy` takes every candidate that does not overlap a better one; `track_and_suppress` tracks the
            best of each linked group first and drops the candidates that the tubelets explain.
        th_iou: exclusive; a pair with exactly this IoU counts as two objects.
        max_rounds: of `track_and_suppress`.
    """

    strategy: Annotated[Strategy, Parameter("How the detections to track (key detections) are chosen.")] = (
        "track_and_suppress"
    )
    th_iou: Annotated[Share, Parameter("Mask IoU above which two detections count as the same object.")] = 0.5
    max_seeds: Annotated[int, Interval(ge=1, le=100), Parameter("Maximum number of key detections per chunk.")] = 30
    max_rounds: int = 12

    def __post_init__(self) -> None:
        check_ranges(self)

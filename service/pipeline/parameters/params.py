"""All parameters of one run, and the two presets."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from annotated_types import Interval

from service.calibration.params import CalibrationParams, ProposalParams
from service.structures.parameter import Parameter, Share, check_ranges
from service.tracking.params import (
    ChunkParams,
    ForecastParams,
    FusionParams,
    LostParams,
    SiameseParams,
    TrackerParams,
    TubeletParams,
)

PresetName = Literal["default", "paper"]


@dataclass(frozen=True, slots=True)
class DetectorParams:
    """Parameters of detection.

    Attributes:
        short_side, long_side: size of the network frame in pixels: the short side is scaled to `short_side`
            unless that would make the long side exceed `long_side`.
        batch: frames per call.
    """

    th_det: Annotated[Share, Parameter("Minimum detection score; detections below it are dropped.")] = 0.2
    max_per_frame: Annotated[int, Interval(ge=1, le=50), Parameter("Maximum number of detections kept per frame.")] = 20
    short_side: int = 384
    long_side: int = 640
    batch: int = 2

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, slots=True)
class PipelineParams:
    """Parameters of one run, stage by stage."""

    detector: DetectorParams = field(default_factory=DetectorParams)
    calibration: CalibrationParams = field(default_factory=CalibrationParams)
    proposals: ProposalParams = field(default_factory=ProposalParams)
    tracker: TrackerParams = field(default_factory=TrackerParams)
    forecast: ForecastParams = field(default_factory=ForecastParams)
    tubelets: TubeletParams = field(default_factory=TubeletParams)
    track_fps: Annotated[
        float,
        Interval(ge=0, le=1000),
        Parameter(
            "Approximate frame rate for tracking; frames in between are interpolated. Videos below 1.5 times this rate "
            "are tracked in full; 0 tracks every frame."
        ),
    ] = 12.0
    chunks: ChunkParams = field(default_factory=ChunkParams)

    def __post_init__(self) -> None:
        check_ranges(self)


def preset(name: PresetName) -> PipelineParams:
    """The parameters of a preset."""
    default = PipelineParams()
    if name == "default":
        return default
    return replace(
        default,
        calibration=replace(default.calibration, estimator="all_candidates", th_cc=0.05),
        proposals=replace(default.proposals, strategy="greedy"),
        tracker=TrackerParams(
            SiameseParams(window_influence=0.42, lr=0.38, lost=LostParams(enter=0.5, leave=0.7, agree=0.0)),
            FusionParams(margin=1.0, couple=0.0),
        ),
        forecast=ForecastParams(stop_share=0.0),
        tubelets=TubeletParams(th_seq=0.5, match_iou=0.5, label="mode", rescale=False, min_score=0.0),
        track_fps=0.0,
    )

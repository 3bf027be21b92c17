"""What a caller may set for one job, with the field's names; everything left out comes from the preset."""

from dataclasses import replace
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from service.calibration.params import CalibrationParams, Estimator, ProposalParams, Strategy
from service.pipeline.categories.choice import WANTED, CategoryChoice
from service.pipeline.params import PipelineParams, PresetName, preset
from service.tracking.params import (
    ChunkParams,
    Fusion,
    FusionParams,
    ScoreEstimator,
    TrackerParams,
    TubeletIou,
    TubeletParams,
)

Share = Annotated[float, Field(ge=0, le=1)]


class JobParameters(BaseModel):
    """Parameters of one job. `null` or absent: the preset's value."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"preset": "default", "th_det": 0.2, "th_seq": 0.5, "overlay": True}]},
    )

    preset: PresetName = Field("default", description="`default`, or `paper`: the literal reading of the paper.")
    th_det: Share | None = Field(None, description="Candidates of the detector below this score are dropped.")
    max_per_frame: int | None = Field(None, ge=1, le=50, description="Most candidates per frame.")
    estimator: Estimator | None = Field(None, description="How a class's average over the video is taken.")
    th_cc: Share | None = Field(None, description="A class is reliable if its average is above this.")
    beta: Share | None = Field(None, description="Weight of unreliable classes; 1 switches calibration off.")
    relabel: bool | None = Field(None, description="Take the label anew after calibration.")
    th_key: Share | None = Field(None, description="Calibrated candidates below this score are dropped.")
    strategy: Strategy | None = Field(None, description="How the key detections are chosen.")
    th_iou: Share | None = Field(None, description="Mask IoU above which two candidates count as one.")
    max_seeds: int | None = Field(None, ge=1, le=100, description="Most key detections per chunk.")
    penalty_k: float | None = Field(None, ge=0, le=2, description="Siamese RPN: penalty on change of shape.")
    window_influence: Share | None = Field(None, description="Siamese RPN: weight of the cosine window.")
    lr: Share | None = Field(None, description="Siamese RPN: smoothing of the box's size.")
    lost_enter: Share | None = Field(None, description="A target is lost below this Siamese score.")
    lost_leave: Share | None = Field(None, description="A lost target is found again above this score.")
    lost_max_frames: int | None = Field(None, ge=0, description="A direction stops after so many; 0 = never.")
    lost_reach: float | None = Field(
        None, ge=0, le=100, description="How many of its sizes a frame a lost target can move; 0 = any."
    )
    fusion: Fusion | None = Field(None, description="`box`: mask × box; `none`, `instance`: one tracker alone.")
    margin: float | None = Field(None, ge=1, le=2, description="Factor on the box before it cuts the mask.")
    couple: Share | None = Field(None, description="Weight of the mask's own box in the tracked box.")
    mask_thresh: Share | None = Field(None, description="Probability from which a pixel belongs to the object.")
    min_area: int | None = Field(None, ge=0, description="Smaller masks count as empty (pixels).")
    second_look: float | None = Field(
        None,
        ge=0,
        le=100,
        description="Boxes of more pixels than so many times the samples of a window get a finer mask; 0 = none.",
    )
    bidirectional: bool | None = Field(None, description="Track backward from the key detection, too.")
    th_seq: Share | None = Field(None, description="Tubelet NMS: the worse of two above this IoU is dropped.")
    tubelet_iou: TubeletIou | None = Field(None, description="Frames over which tubelet IoU is averaged.")
    class_agnostic: bool | None = Field(None, description="Tubelet NMS across classes.")
    score: ScoreEstimator | None = Field(None, description="How per-frame scores become the tubelet's.")
    match_iou: Share | None = Field(None, description="Mask IoU above which a detection supports a tubelet.")
    track_fps: float | None = Field(
        None, ge=0, le=1000, description="Frames per second that are tracked; those between are filled in. 0 = all."
    )
    chunk_frames: int | None = Field(
        None, ge=8, le=2000, description="Most frames that are calibrated and tracked together."
    )
    chunk_overlap: int | None = Field(
        None, ge=1, le=1000, description="Frames that neighbouring chunks share; at most half of `chunk_frames`."
    )
    shots: bool | None = Field(None, description="Cut at shot changes; no object goes on there.")
    stitch_iou: Share | None = Field(None, description="Mask IoU there from which tubelets of neighbours are one.")
    overlay: bool = Field(True, description="Also write the overlay video.")
    overlay_min_score: Share = Field(0.1, description="Tubelets below this are not drawn; the result has them.")
    categories: CategoryChoice | None = Field(
        None,
        description="Of the result: a bundled set, names of the detector's classes, or a list with an id and a name "
        "each, and `of`, the names of the classes that stand for it.",
        examples=["ytvis2019", ["person", "dog"], [{"id": 1, "name": "vehicle", "of": ["car", "bus", "truck"]}]],
    )

    @field_validator("categories", mode="wrap")
    @classmethod
    def _one_message(cls, value: object, validate: ValidatorFunctionWrapHandler) -> object:
        """Of the three kinds' errors none would tell what was wanted."""
        try:
            return validate(value)
        except ValidationError as error:
            raise ValueError(WANTED) from error

    @field_validator("chunk_overlap")
    @classmethod
    def _fits(cls, overlap: int | None, others: ValidationInfo) -> int | None:
        frames = others.data.get("chunk_frames") or ChunkParams().frames
        if overlap is not None and overlap > frames // 2:
            raise ValueError(f"expected 1 to {frames // 2} frames, half of chunk_frames {frames}")
        return overlap

    def pipeline_params(self) -> PipelineParams:
        """The parameters of the run: the preset with this job's values put in."""
        base = preset(self.preset)
        return PipelineParams(
            detector=replace(base.detector, **self._given("th_det", "max_per_frame")),
            calibration=self._calibration(base.calibration),
            proposals=self._proposals(base.proposals),
            tracker=self._tracker(base.tracker),
            tubelets=self._tubelets(base.tubelets),
            track_fps=base.track_fps if self.track_fps is None else self.track_fps,
            chunks=self._chunks(base.chunks),
        )

    def _calibration(self, base: CalibrationParams) -> CalibrationParams:
        return replace(base, **self._given("estimator", "th_cc", "beta", "relabel", "th_key"))

    def _proposals(self, base: ProposalParams) -> ProposalParams:
        return replace(base, **self._given("strategy", "th_iou", "max_seeds"))

    def _tracker(self, base: TrackerParams) -> TrackerParams:
        lost = replace(
            base.siamese.lost,
            **self._renamed(enter="lost_enter", leave="lost_leave", max_frames="lost_max_frames", reach="lost_reach"),
        )
        siamese = replace(base.siamese, lost=lost, **self._given("penalty_k", "window_influence", "lr"))
        return TrackerParams(siamese=siamese, fusion=self._fusion(base.fusion))

    def _fusion(self, base: FusionParams) -> FusionParams:
        same = self._given("margin", "couple", "mask_thresh", "min_area", "bidirectional", "second_look")
        return replace(base, **same, **self._renamed(kind="fusion"))

    def _tubelets(self, base: TubeletParams) -> TubeletParams:
        same = self._given("th_seq", "class_agnostic", "score", "match_iou")
        return replace(base, **same, **self._renamed(iou="tubelet_iou"))

    def _chunks(self, base: ChunkParams) -> ChunkParams:
        frames = self.chunk_frames or base.frames
        overlap = self.chunk_overlap or min(base.overlap, frames // 2)
        return replace(base, frames=frames, overlap=overlap, **self._given("shots", "stitch_iou"))

    def _given(self, *names: str) -> dict[str, Any]:
        return self._renamed(**{name: name for name in names})

    def _renamed(self, **field_of: str) -> dict[str, Any]:
        """Values that the caller set, by the name of the parameter they go to."""
        values = {target: getattr(self, name) for target, name in field_of.items()}
        return {target: value for target, value in values.items() if value is not None}

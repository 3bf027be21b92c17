"""Parameters of the dual tracker and of merging; defaults of the preset `default`."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Interval

from service.structures.parameter import Parameter, ParameterError, Share, check_ranges

ScoreEstimator = Literal["matched_zero", "matched_skip", "seed"]
"""E1z, E1s and E3 of docs/method.md, section 6: how per-frame scores become the tubelet's."""
TubeletIou = Literal["all", "union", "both", "stvol"]
"""Over which frames the IoU of two tubelets is averaged (docs/method.md, section 7)."""
Fusion = Literal["box", "none", "instance"]
"""`box`: mask × box (IPDT); `none`: the pixel tracker alone (Table 2's second row); `instance`: the Siamese RPN alone,
its box is the answer and fills the mask."""


@dataclass(frozen=True, slots=True)
class LostParams:
    """Hysteresis of a lost target (docs/method.md, section 5.2).

    Attributes:
        enter: a target that scores exactly this is still tracked.
        leave: a target that scores exactly this is still lost; not below `enter`, where a target would be lost and
            found again at once.
        max_frames: lost frames in a row.
        reach: a candidate can be the lost target if it is at most this many of the target's sizes away per lost frame,
            or one. Without it a hidden walker is found again at once in another one on the far side.
    """

    enter: Annotated[Share, Parameter("A target is lost below this Siamese score.", "lost_enter")] = 0.15
    leave: Annotated[Share, Parameter("A lost target is found again above this score.", "lost_leave")] = 0.5
    max_frames: Annotated[
        int, Ge(0), Parameter("A direction stops after this many lost frames in a row; 0 = never.", "lost_max_frames")
    ] = 0
    reach: Annotated[
        float,
        Interval(ge=0, le=100),
        Parameter("How many of its sizes a frame a lost target can move; 0 = any.", "lost_reach"),
    ] = 0.25

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.enter > self.leave:
            wanted = {
                "lost_enter": f"expected at most lost_leave {self.leave:g}",
                "lost_leave": f"expected at least lost_enter {self.enter:g}",
            }
            raise ParameterError(wanted, self.enter)


@dataclass(frozen=True, slots=True)
class SiameseParams:
    """Ranking of the Siamese RPN's proposals (docs/method.md, section 5.1; pysot's names).

    The defaults are for 6 frames per second: objects move further and change faster than between the frames that
    pysot's 0.42 and 0.38 were chosen for (preset `paper`).
    """

    penalty_k: Annotated[float, Interval(ge=0, le=2), Parameter("Siamese RPN: penalty on change of shape.")] = 0.05
    window_influence: Annotated[Share, Parameter("Siamese RPN: weight of the cosine window.")] = 0.3
    lr: Annotated[Share, Parameter("Siamese RPN: smoothing of the box's size.")] = 0.9
    lost: LostParams = field(default_factory=LostParams)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, slots=True)
class FusionParams:
    """Mask × box (docs/method.md, section 5.4).

    Attributes:
        kind: see `Fusion`.
        margin: 1 is the paper's.
        couple: 0 is the paper's (decision record 4).
        min_area: in pixels of the original frame; a mask of just this area is not empty.
        second_look: of the window's side, compared with the longer side of the box.
        window_context: side of the pixel window over the longer side of the box.
    """

    kind: Annotated[Fusion, Parameter("`box`: mask × box; `none`, `instance`: one tracker alone.", "fusion")] = "box"
    margin: Annotated[float, Interval(ge=1, le=2), Parameter("Factor on the box before it cuts the mask.")] = 1.3
    couple: Annotated[Share, Parameter("Weight of the mask's own box in the tracked box.")] = 0.5
    mask_thresh: Annotated[Share, Parameter("Probability from which a pixel belongs to the object.")] = 0.5
    min_area: Annotated[int, Ge(0), Parameter("Smaller masks count as empty (pixels).")] = 16
    second_look: Annotated[
        float,
        Interval(ge=0, le=100),
        Parameter("A box whose longer side exceeds the window's samples this many times gets a finer mask; 0 = none."),
    ] = 4.0
    bidirectional: Annotated[bool, Parameter("Track backward from the key detection, too.")] = True
    window_context: float = 1.5

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, slots=True)
class TubeletParams:
    """Tubelet NMS, final class and score.

    Attributes:
        th_seq: two tubelets with exactly this IoU both stay.
        match_iou: a detection with exactly this IoU does not support the tubelet.
    """

    th_seq: Annotated[Share, Parameter("Tubelet NMS: the worse of two above this IoU is dropped.")] = 0.3
    iou: Annotated[TubeletIou, Parameter("Frames over which tubelet IoU is averaged.", "tubelet_iou")] = "union"
    class_agnostic: Annotated[bool, Parameter("Tubelet NMS across classes.")] = True
    score: Annotated[ScoreEstimator, Parameter("How per-frame scores become the tubelet's.")] = "matched_zero"
    match_iou: Annotated[Share, Parameter("Mask IoU above which a detection supports a tubelet.")] = 0.7

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, slots=True)
class TrackerParams:
    """Everything a track needs to step."""

    siamese: SiameseParams = field(default_factory=SiameseParams)
    fusion: FusionParams = field(default_factory=FusionParams)


@dataclass(frozen=True, slots=True)
class ChunkParams:
    """How a long video is cut, and its tubelets stitched (docs/method.md, section 8).

    Attributes:
        overlap: of two chunks of one shot.
        stitch_iou: over the shared frames.
    """

    frames: Annotated[
        int,
        Interval(ge=8, le=2000),
        Parameter("Most frames that are calibrated and tracked together.", "chunk_frames"),
    ] = 160
    overlap: Annotated[
        int,
        Interval(ge=1, le=1000),
        Parameter("Frames that neighboring chunks share; at most half of `chunk_frames`.", "chunk_overlap"),
    ] = 12
    shots: Annotated[bool, Parameter("Cut at shot changes; no object goes on there.")] = True
    stitch_iou: Annotated[Share, Parameter("Mask IoU there from which tubelets of neighbors are one.")] = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.overlap <= self.frames // 2:
            wanted = f"expected 1 to {self.frames // 2} frames, half of chunk_frames {self.frames}"
            raise ParameterError({"chunk_overlap": wanted}, self.overlap)
        check_ranges(self)

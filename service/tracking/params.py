"""Parameters of tracking, tubelet NMS, chunking and stitching, with the defaults of the preset `default`."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Interval

from service.structures.parameter import Parameter, ParameterError, Share, check_ranges

ScoreEstimator = Literal["matched_zero", "matched_skip", "seed"]
"""How per-frame scores are combined into a tubelet's: E1z, E1s and E3 of docs/method.md, section 6."""
LabelRule = Literal["mean", "mode"]
"""How a tubelet's class is chosen: the largest mean score, or the most frequent label (docs/method.md, section 6)."""
TubeletIou = Literal["all", "union", "both", "stvol"]
"""Frames over which the IoU of two tubelets is averaged (docs/method.md, section 7)."""
Fusion = Literal["box", "none", "instance"]
"""`box`: mask × box (IPDT); `none`: the pixel tracker alone (second row of Table 2); `instance`: the Siamese RPN alone,
with the filled box as mask."""


@dataclass(frozen=True, slots=True)
class LostParams:
    """When a target counts as lost and as found again (docs/method.md, section 5.2).

    Attributes:
        enter: exclusive; a target with exactly this score is still tracked.
        leave: exclusive; a target with exactly this score is still lost. Must not be below `enter`: a target would
            be lost and found again in the same frame.
        max_frames: consecutive lost frames.
        reach: in units of the target's size, at least one size in total. Without this bound, a pedestrian who is
            hidden is immediately "found" in another one on the far side of the image.
    """

    enter: Annotated[Share, Parameter("Siamese score below which a target counts as lost.", "lost_enter")] = 0.15
    leave: Annotated[
        Share, Parameter("Siamese score above which a lost target counts as found again.", "lost_leave")
    ] = 0.5
    max_frames: Annotated[
        int,
        Ge(0),
        Parameter("Stop a sweep after this many consecutive lost tracked frames; 0 never stops.", "lost_max_frames"),
    ] = 0
    reach: Annotated[
        float,
        Interval(ge=0, le=100),
        Parameter(
            "Maximum distance a lost target can move per tracked frame, in multiples of its size; 0 removes the bound.",
            "lost_reach",
        ),
    ] = 0.25

    agree: Annotated[
        Share,
        Parameter(
            "How much class vector and pixel embedding must agree with the key detection for a lost target to be "
            "found again; after short gaps less. Otherwise the sweep ends. 0 disables the check.",
            "lost_agree",
        ),
    ] = 0.45

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

    The defaults suit 6 frames per second, where objects move and change more from frame to frame than in the videos
    that pysot's 0.42 and 0.38 (preset `paper`) were tuned on.
    """

    penalty_k: Annotated[
        float,
        Interval(ge=0, le=2),
        Parameter("Siamese RPN: strength of the penalty on changes in scale and aspect ratio."),
    ] = 0.05
    window_influence: Annotated[Share, Parameter("Siamese RPN: weight of the cosine window.")] = 0.3
    lr: Annotated[Share, Parameter("Siamese RPN: learning rate of the box size; lower values smooth it more.")] = 0.9
    lost: LostParams = field(default_factory=LostParams)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, slots=True)
class FusionParams:
    """Mask × box (docs/method.md, section 5.4).

    Attributes:
        kind: see `Fusion`.
        margin: the paper uses 1.
        distractor_score: inclusive; 0 as in the paper, which cuts at the box everywhere (decision record 46).
        couple: the paper uses 0 (decision record 4).
        min_area: in pixels of the original frame; exclusive, a mask of exactly this area is kept.
        stray_area: inclusive; 0 as in the paper, which keeps all pieces inside the box (decision record 45).
        cover_mask: the paper has no window; without this it follows the Siamese box alone (decision record 46).
        second_look: threshold on the box's longer side, in multiples of the window's side in samples.
        window_context: side of the pixel window divided by the longer side of the box.
    """

    kind: Annotated[
        Fusion,
        Parameter(
            "How the two trackers are fused: `box` cuts the mask at the tracked box; `none` uses the pixel tracker "
            "alone, `instance` the Siamese RPN alone, with the filled box as mask.",
            "fusion",
        ),
    ] = "box"
    margin: Annotated[
        float, Interval(ge=1, le=2), Parameter("Factor by which the tracked box is enlarged before it cuts the mask.")
    ] = 1.3
    distractor_score: Annotated[
        Share,
        Parameter(
            "Outside the enlarged box the mask is cut only where other objects are detected with at least this score; "
            "0 cuts it everywhere."
        ),
    ] = 0.0
    couple: Annotated[Share, Parameter("Weight of the mask's bounding box in the tracked box; 0 ignores the mask.")] = (
        0.5
    )
    mask_thresh: Annotated[Share, Parameter("Minimum mask probability for a pixel to belong to the object.")] = 0.5
    min_area: Annotated[int, Ge(0), Parameter("Minimum mask area, in pixels; smaller masks count as empty.")] = 16
    stray_area: Annotated[
        Share,
        Parameter(
            "Drop pieces of a mask that are not larger than this share of its main piece and do not touch the last "
            "mask; 0 drops none."
        ),
    ] = 0.0
    cover_mask: Annotated[
        bool, Parameter("Compute masks in a window around the tracked box and the last mask, not the box alone.")
    ] = False
    second_look: Annotated[
        float,
        Interval(ge=0, le=100),
        Parameter(
            "Compute finer masks for objects whose box is longer than this many times the mask window's resolution; "
            "0 disables it."
        ),
    ] = 4.0
    bidirectional: Annotated[bool, Parameter("Also track backward from the key detection.")] = True
    window_context: float = 1.5

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, slots=True)
class TubeletParams:
    """Parameters of tubelet NMS, of a tubelet's classes and scores, and of the score that a result requires.

    Attributes:
        th_seq: exclusive; two tubelets with exactly this IoU are both kept.
        match_iou: exclusive; a detection with exactly this IoU does not support the tubelet.
        min_score: inclusive; a tubelet with exactly this score is in the result. It applies to the whole object, after
            stitching, so it changes neither tubelet NMS nor the other tubelets.
    """

    th_seq: Annotated[
        Share, Parameter("Tubelet NMS: IoU of two tubelets above which the lower-scoring one is dropped.")
    ] = 0.3
    iou: Annotated[
        TubeletIou,
        Parameter("Tubelet NMS: how the IoU of two tubelets is computed from their per-frame IoUs.", "tubelet_iou"),
    ] = "union"
    class_agnostic: Annotated[bool, Parameter("Tubelet NMS: compare tubelets of different classes, too.")] = True
    label: Annotated[
        LabelRule,
        Parameter(
            "How a tubelet's class is chosen: `mean` takes the class with the largest mean score, and lists other "
            "likely classes; `mode` takes the most frequent label, and lists no others."
        ),
    ] = "mean"
    score: Annotated[ScoreEstimator, Parameter("How per-frame scores are combined into a tubelet's score.")] = (
        "matched_zero"
    )
    rescale: Annotated[
        bool,
        Parameter(
            "Rescale the scores of tubelets so that about half of those with a score of 0.5 are true objects; with "
            "the bundled detector only."
        ),
    ] = True
    match_iou: Annotated[Share, Parameter("Mask IoU above which a detection supports a tubelet's class and score.")] = (
        0.7
    )
    min_score: Annotated[
        Share,
        Parameter("Minimum score of the tubelets in the result, its overlay and its other files; 0 keeps all of them."),
    ] = 0.1

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, slots=True)
class ForecastParams:
    """When a track that can't reach `min_score` is stopped (docs/method.md, section 5.7).

    Attributes:
        stop_share: exclusive; of the mean score that `min_score` requires.
        frames: visible frames before a track can be stopped.
    """

    stop_share: Annotated[
        Share,
        Parameter(
            "Stop tracking a key detection when the mean of the scores found so far is below this share of what "
            "`min_score` requires; 0 tracks all of them to the end."
        ),
    ] = 0.2
    frames: int = 4

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, slots=True)
class TrackerParams:
    """Parameters of the two trackers."""

    siamese: SiameseParams = field(default_factory=SiameseParams)
    fusion: FusionParams = field(default_factory=FusionParams)


@dataclass(frozen=True, slots=True)
class ChunkParams:
    """How a long video is cut into chunks, and their tubelets stitched (docs/method.md, section 8).

    Attributes:
        overlap: of two chunks of the same shot.
        stitch_iou: inclusive; over the shared frames.
    """

    frames: Annotated[
        int,
        Interval(ge=8, le=2000),
        Parameter("Maximum number of tracked frames per chunk; longer videos are processed in chunks.", "chunk_frames"),
    ] = 160
    overlap: Annotated[
        int,
        Interval(ge=1, le=1000),
        Parameter("Tracked frames shared by consecutive chunks; at most half of `chunk_frames`.", "chunk_overlap"),
    ] = 12
    shots: Annotated[bool, Parameter("Start a new chunk at every shot change; tubelets end there.")] = True
    stitch_iou: Annotated[
        Share, Parameter("Minimum mask IoU over the shared frames for joining tubelets of consecutive chunks.")
    ] = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.overlap <= self.frames // 2:
            wanted = f"expected 1 to {self.frames // 2} frames, half of chunk_frames {self.frames}"
            raise ParameterError({"chunk_overlap": wanted}, self.overlap)
        check_ranges(self)

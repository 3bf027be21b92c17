"""Parameters of the dual tracker and of merging; defaults of the preset `default`."""

from dataclasses import dataclass, field
from typing import Literal

ScoreEstimator = Literal["matched_zero", "matched_skip", "seed"]
"""E1z, E1s, E3: how per-frame scores become the tubelet's."""
TubeletIou = Literal["all", "union", "both", "stvol"]
"""Over which frames the IoU of two tubelets is averaged; `stvol` is the metric's own spatio-temporal IoU."""
Fusion = Literal["box", "none", "instance"]
"""`box`: mask × box (IPDT); `none`: the pixel tracker alone (Table 2's second row); `instance`: the Siamese RPN alone,
its box is the answer and fills the mask."""


@dataclass(frozen=True, slots=True)
class LostParams:
    """Hysteresis of a lost target.

    Attributes:
        enter: lost below this Siamese score; at it still tracked.
        leave: found again above this one; at it still lost.
        max_frames: a direction stops after so many lost frames in a row; 0 = never.
        reach: a candidate can be the lost target if it is at most so many of the target's sizes away per lost frame,
            or one; 0 = anywhere. Without it a hidden walker is found again at once in another one on the far side.
    """

    enter: float = 0.15
    leave: float = 0.5
    max_frames: int = 0
    reach: float = 0.25


@dataclass(frozen=True, slots=True)
class SiameseParams:
    """Ranking of the Siamese RPN's proposals (SiamRPN, section 4.3; pysot's names).

    The defaults are for 6 frames per second: objects move further and change faster than between the frames that
    pysot's 0.42 and 0.38 were chosen for (preset `paper`).
    """

    penalty_k: float = 0.05
    window_influence: float = 0.3
    lr: float = 0.9
    lost: LostParams = field(default_factory=LostParams)


@dataclass(frozen=True, slots=True)
class FusionParams:
    """Mask × box.

    Attributes:
        kind: see `Fusion`.
        margin: factor on the box's sides before it cuts the mask; 1 is the paper's.
        couple: weight of the mask's own tight box in the tracked box; 0 is the paper's (decision record 4).
        mask_thresh: probability from which a pixel belongs to the object.
        min_area: smaller masks count as empty, in pixels of the original frame; one of just this area does not.
        bidirectional: track backward from the seed, too.
        window_context: side of the pixel window over the longer side of the box.
        second_look: boxes whose longer side is above so many times the samples of the window's side, px, get a finer
            mask; 0 = none.
    """

    kind: Fusion = "box"
    margin: float = 1.3
    couple: float = 0.5
    mask_thresh: float = 0.5
    min_area: int = 16
    bidirectional: bool = True
    window_context: float = 1.5
    second_look: float = 4.0


@dataclass(frozen=True, slots=True)
class TubeletParams:
    """Tubelet NMS, final class and score.

    Attributes:
        th_seq: the worse of two tubelets is dropped if their IoU is above this; at it both stay.
        iou: over which frames that IoU is averaged.
        class_agnostic: compare tubelets of different classes, too.
        score: how per-frame scores become the tubelet's.
        match_iou: a detection supports a tubelet in its frame if their mask IoU is above this; at it, it does not.
    """

    th_seq: float = 0.3
    iou: TubeletIou = "union"
    class_agnostic: bool = True
    score: ScoreEstimator = "matched_zero"
    match_iou: float = 0.7


@dataclass(frozen=True, slots=True)
class TrackerParams:
    """Everything a track needs to step."""

    siamese: SiameseParams = field(default_factory=SiameseParams)
    fusion: FusionParams = field(default_factory=FusionParams)


@dataclass(frozen=True, slots=True)
class ChunkParams:
    """How a long video is cut, and its tubelets stitched.

    Attributes:
        frames: most frames of a chunk.
        overlap: frames that two chunks of one shot share; at most half of `frames`.
        shots: also cut where the shot changes; no object goes on there.
        stitch_iou: mask IoU over the shared frames from which two tubelets are one object.
    """

    frames: int = 160
    overlap: int = 12
    shots: bool = True
    stitch_iou: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.overlap <= self.frames // 2:
            raise ValueError(
                f"chunk_overlap: expected 1 to {self.frames // 2} frames, half of chunk_frames {self.frames}, "
                f"got {self.overlap}"
            )

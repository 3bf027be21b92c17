"""Parameters of a job, for callers in Python. Written by `python -m service.cli.parameter_files`."""

from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict


class OwnCategory(TypedDict):
    """A category of an own list.

    Attributes:
        id: in the result.
        name: in the result.
        of: names of the detector's classes that stand for it; without them those that are called alike.
    """

    id: int
    name: str
    of: NotRequired[Sequence[str]]


class Parameters(TypedDict, total=False):
    """What a job can be given; what is left out comes from the preset."""

    preset: Literal["default", "paper"]
    """`default`, or `paper`: the literal reading of the paper. Default: `default`."""

    th_det: float
    """Candidates of the detector below this score are dropped. 0 to 1. Default: 0.2."""

    max_per_frame: int
    """Most candidates per frame. 1 to 50. Default: 20."""

    estimator: Literal["all_candidates", "predicted_only", "top1_over_all", "frame_max", "topk_frames"]
    """How a class's average over the video is taken. Default: `frame_max`; of the preset `paper`: `all_candidates`."""

    th_cc: float
    """A class is reliable if its average is above this. 0 to 1. Default: 0.15; of the preset `paper`: 0.05."""

    beta: float
    """Weight of unreliable classes; 1 switches calibration off. 0 to 1. Default: 0.1."""

    relabel: bool
    """Choose the label again after calibration. Default: true."""

    th_key: float
    """Calibrated candidates below this score are dropped. 0 to 1. Default: 0.03."""

    strategy: Literal["greedy", "track_and_suppress"]
    """How the key detections are chosen. Default: `track_and_suppress`; of the preset `paper`: `greedy`."""

    th_iou: float
    """Mask IoU above which two candidates count as one. 0 to 1. Default: 0.5."""

    max_seeds: int
    """Most key detections per chunk. 1 to 100. Default: 30."""

    penalty_k: float
    """Siamese RPN: penalty on change of shape. 0 to 2. Default: 0.05."""

    window_influence: float
    """Siamese RPN: weight of the cosine window. 0 to 1. Default: 0.3; of the preset `paper`: 0.42."""

    lr: float
    """Siamese RPN: smoothing of the box's size. 0 to 1. Default: 0.9; of the preset `paper`: 0.38."""

    lost_enter: float
    """A target is lost below this Siamese score. 0 to 1. Default: 0.15; of the preset `paper`: 0.5."""

    lost_leave: float
    """A lost target is found again above this score. 0 to 1. Default: 0.5; of the preset `paper`: 0.7."""

    lost_max_frames: int
    """A direction stops after this many lost frames in a row; 0 = never. At least 0. Default: 0."""

    lost_reach: float
    """How many of its sizes a frame a lost target can move; 0 = any. 0 to 100. Default: 0.25."""

    fusion: Literal["box", "none", "instance"]
    """`box`: mask × box; `none`, `instance`: one tracker alone. Default: `box`."""

    margin: float
    """Factor on the box before it cuts the mask. 1 to 2. Default: 1.3; of the preset `paper`: 1."""

    couple: float
    """Weight of the mask's own box in the tracked box. 0 to 1. Default: 0.5; of the preset `paper`: 0."""

    mask_thresh: float
    """Probability from which a pixel belongs to the object. 0 to 1. Default: 0.5."""

    min_area: int
    """Smaller masks count as empty (pixels). At least 0. Default: 16."""

    second_look: float
    """A box whose longer side exceeds the window's samples this many times gets a finer mask; 0 = none. 0 to 100.
    Default: 4."""

    bidirectional: bool
    """Track backward from the key detection, too. Default: true."""

    th_seq: float
    """Tubelet NMS: the worse of two above this IoU is dropped. 0 to 1. Default: 0.3; of the preset `paper`: 0.5."""

    tubelet_iou: Literal["all", "union", "both", "stvol"]
    """Frames over which tubelet IoU is averaged. Default: `union`."""

    class_agnostic: bool
    """Tubelet NMS across classes. Default: true."""

    score: Literal["matched_zero", "matched_skip", "seed"]
    """How per-frame scores become the tubelet's. Default: `matched_zero`."""

    match_iou: float
    """Mask IoU above which a detection supports a tubelet. 0 to 1. Default: 0.7; of the preset `paper`: 0.5."""

    track_fps: float
    """About this many frames per second are tracked, the others are filled in; slower videos are not touched. 0 = all.
    0 to 1000. Default: 12; of the preset `paper`: 0."""

    chunk_frames: int
    """Most frames that are calibrated and tracked together. 8 to 2000. Default: 160."""

    chunk_overlap: int
    """Frames that neighboring chunks share; at most half of `chunk_frames`. 1 to 1000. Default: 12."""

    shots: bool
    """Cut at shot changes; no object goes on there. Default: true."""

    stitch_iou: float
    """Mask IoU there from which tubelets of neighbors are one. 0 to 1. Default: 0.5."""

    overlay: bool
    """Also write the overlay video. Default: true."""

    overlay_min_score: float
    """Tubelets below this are not drawn; the result has them. 0 to 1. Default: 0.1."""

    categories: Literal["coco", "ytvis2019", "ytvis2021", "ovis"] | Sequence[str] | Sequence[OwnCategory]
    """Of the result: a bundled set, names of the detector's classes, or a list with an id and a name each, and `of`,
    the names of the classes that stand for it. Default: none."""

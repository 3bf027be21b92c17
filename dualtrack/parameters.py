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
    """Set of parameter values to start from: `default`, or `paper`, the literal reading of the paper. Default:
    `default`."""

    th_det: float
    """Minimum detection score; detections below it are dropped. 0 to 1. Default: 0.2."""

    max_per_frame: int
    """Maximum number of detections kept per frame. 1 to 50. Default: 20."""

    estimator: Literal["all_candidates", "predicted_only", "top1_over_all", "frame_max", "topk_frames"]
    """How a class's average score over the video is computed. Default: `frame_max`; of the preset `paper`:
    `all_candidates`."""

    th_cc: float
    """Class calibration: average score above which a class is reliable. 0 to 1. Default: 0.15; of the preset `paper`:
    0.05."""

    beta: float
    """Factor on the scores of unreliable classes; 1 disables calibration. 0 to 1. Default: 0.1."""

    relabel: bool
    """Let calibration change a detection's label. Default: true."""

    th_key: float
    """Minimum score after calibration; detections below it are dropped. 0 to 1. Default: 0.03."""

    strategy: Literal["greedy", "track_and_suppress"]
    """How the detections to track (key detections) are chosen. Default: `track_and_suppress`; of the preset `paper`:
    `greedy`."""

    th_iou: float
    """Mask IoU above which two detections count as the same object. 0 to 1. Default: 0.5."""

    max_seeds: int
    """Maximum number of key detections per chunk. 1 to 100. Default: 30."""

    penalty_k: float
    """Siamese RPN: strength of the penalty on changes in scale and aspect ratio. 0 to 2. Default: 0.05."""

    window_influence: float
    """Siamese RPN: weight of the cosine window. 0 to 1. Default: 0.3; of the preset `paper`: 0.42."""

    lr: float
    """Siamese RPN: learning rate of the box size; lower values smooth it more. 0 to 1. Default: 0.9; of the preset
    `paper`: 0.38."""

    lost_enter: float
    """Siamese score below which a target counts as lost. 0 to 1. Default: 0.15; of the preset `paper`: 0.5."""

    lost_leave: float
    """Siamese score above which a lost target counts as found again. 0 to 1. Default: 0.5; of the preset `paper`:
    0.7."""

    lost_max_frames: int
    """Stop a sweep after this many consecutive lost frames; 0 never stops. At least 0. Default: 0."""

    lost_reach: float
    """Maximum distance a lost target can move per lost frame, in multiples of its size; 0 removes the bound. 0 to 100.
    Default: 0.25."""

    fusion: Literal["box", "none", "instance"]
    """How the two trackers are fused: `box` cuts the mask at the tracked box; `none` uses the pixel tracker alone,
    `instance` the Siamese RPN alone, with the filled box as mask. Default: `box`."""

    margin: float
    """Factor by which the tracked box is enlarged before it cuts the mask. 1 to 2. Default: 1.3; of the preset `paper`:
    1."""

    couple: float
    """Weight of the mask's bounding box in the tracked box; 0 ignores the mask. 0 to 1. Default: 0.5; of the preset
    `paper`: 0."""

    mask_thresh: float
    """Minimum mask probability for a pixel to belong to the object. 0 to 1. Default: 0.5."""

    min_area: int
    """Minimum mask area, in pixels; smaller masks count as empty. At least 0. Default: 16."""

    second_look: float
    """Compute finer masks for objects whose box is longer than this many times the mask window's resolution; 0 disables
    it. 0 to 100. Default: 4."""

    bidirectional: bool
    """Also track backward from the key detection. Default: true."""

    th_seq: float
    """Tubelet NMS: IoU of two tubelets above which the lower-scoring one is dropped. 0 to 1. Default: 0.3; of the
    preset `paper`: 0.5."""

    tubelet_iou: Literal["all", "union", "both", "stvol"]
    """Tubelet NMS: how the IoU of two tubelets is computed from their per-frame IoUs. Default: `union`."""

    class_agnostic: bool
    """Tubelet NMS: compare tubelets of different classes, too. Default: true."""

    score: Literal["matched_zero", "matched_skip", "seed"]
    """How per-frame scores are combined into a tubelet's score. Default: `matched_zero`."""

    match_iou: float
    """Mask IoU above which a detection supports a tubelet's class and score. 0 to 1. Default: 0.7; of the preset
    `paper`: 0.5."""

    track_fps: float
    """Approximate frame rate for tracking; frames in between are interpolated. Videos with a lower frame rate are
    tracked in full; 0 tracks every frame. 0 to 1000. Default: 12; of the preset `paper`: 0."""

    chunk_frames: int
    """Maximum number of frames per chunk; longer videos are processed in chunks. 8 to 2000. Default: 160."""

    chunk_overlap: int
    """Frames shared by consecutive chunks; at most half of `chunk_frames`. 1 to 1000. Default: 12."""

    shots: bool
    """Start a new chunk at every shot change; tubelets end there. Default: true."""

    stitch_iou: float
    """Minimum mask IoU over the shared frames for joining tubelets of consecutive chunks. 0 to 1. Default: 0.5."""

    overlay: bool
    """Also render the video with its masks and its sound, in BT.709; HDR is not tone-mapped. Default: true."""

    overlay_min_score: float
    """Minimum score of the tubelets drawn in the overlay; the result always contains all of them. 0 to 1. Default:
    0.1."""

    categories: Literal["coco", "ytvis2019", "ytvis2021", "ovis"] | Sequence[str] | Sequence[OwnCategory]
    """Categories of the result: the name of a bundled set, a list of class names of the detector, or a list of
    categories with `id`, `name` and optionally `of`, the class names mapped to the category. Default: none."""

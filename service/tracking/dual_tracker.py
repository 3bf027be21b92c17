"""The dual tracker's state machine: one track is one seed in one direction of time.

    start ─► TRACKED ──(q < enter)──► LOST ──(q > leave, in its window or at a candidate)──► TRACKED, if `Look`s agree
                                       └─(max_frames lost in a row)───► stopped           └─► else stopped

A step has two halves, as two graphs run one after the other: `after_siamese` moves the box, `after_pixel` computes the
mask inside it. States are immutable values, so a step can be repeated, stored and batched. All coordinates are network
pixels; masks are in the original frame. See docs/method.md, sections 5.2 and 5.4.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from service.structures.arrays import F16, F32, Bool
from service.structures.boxes import area, iou_matrix
from service.structures.canvas import Canvas
from service.structures.detections import Candidate
from service.structures.masks import Rle, encode, encode_part
from service.tracking.distractors import Part, covered_pixels, covered_samples
from service.tracking.fusion import cut_at_box, fill_box, inside_box
from service.tracking.params import FusionParams, LostParams, TrackerParams
from service.tracking.pieces import without_strays
from service.tracking.windows import crop_mask, paste_part, pixel_windows

COUPLE_IOU = 0.3
"""Minimum IoU of the two boxes for coupling; below it the mask has probably left the object."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackState:
    """State of a track between frames.

    Attributes:
        seed: index of its seed.
        box: (4,) network px.
        window: (4,) pixel window of the last step.
        probability: (S, S) fused probability in that window.
        embedding: (E, S, S) pixel embedding of that window.
        score: Siamese score of the last step.
        lost: whether the target is lost; box, window, probability and embedding are frozen then.
        lost_frames: consecutive lost frames.
    """

    seed: int
    box: F32
    window: F32
    probability: F32
    embedding: F32
    score: float = 1.0
    lost: bool = False
    lost_frames: int = 0

    def stopped(self, params: LostParams) -> bool:
        """Whether the sweep ends because the target was lost for too long."""
        return params.max_frames > 0 and self.lost_frames >= params.max_frames


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Result of a track in one frame.

    Attributes:
        mask: in the original frame; None if not visible.
        box: (4,) in the original frame.
        score: of the Siamese RPN.
        look: (E,) mean pixel embedding of the object (`mean_embedding`); empty if unknown.
    """

    mask: Rle | None
    box: F32
    score: float
    look: F16 = field(default_factory=lambda: np.zeros(0, np.float16))


def seed_window(seed: Candidate, canvas: Canvas, params: FusionParams) -> tuple[F32, F32]:
    """Box and pixel window of a seed, (4,) each, network px."""
    box = (seed.box * canvas.scale_xyxy).astype(np.float32)
    return box, pixel_windows(box[None], params.window_context)[0]


def after_siamese(state: TrackState, box: F32, score: float, params: TrackerParams) -> TrackState:
    """Apply the Siamese RPN's result: a new box, or the target is lost (docs/method.md, section 5.2).

    A lost target is found again if its frozen window scores above `leave`: a hidden object often reappears where it
    disappeared. Otherwise it is searched among the candidates (`redetected`).

    Without fusion (`kind` "none") there is only the pixel tracker: it is never lost, and the box follows the mask.
    """
    if params.fusion.kind == "none":
        return replace(state, score=1.0)
    lost = params.siamese.lost
    if score <= lost.leave if state.lost else score < lost.enter:
        return replace(state, score=score, lost=True, lost_frames=state.lost_frames + 1)
    return replace(state, box=box, score=score, lost=False, lost_frames=0)


def redetected(state: TrackState, boxes: F32, scores: F32, params: LostParams) -> TrackState:
    """Search a lost target among the frame's candidates: it is found at the best one within reach that exceeds `leave`.

    Args:
        state: lost.
        boxes: (M, 4) candidates, network px.
        scores: (M,) their Siamese scores against the track's template.
        params: thresholds and reach.
    """
    within = np.flatnonzero(_within_reach(state, boxes, params) & (scores > params.leave))
    if not len(within):
        return state
    best = within[scores[within].argmax()]
    return replace(state, box=boxes[best], score=float(scores[best]), lost=False, lost_frames=0)


def _within_reach(state: TrackState, boxes: F32, params: LostParams) -> Bool:
    """Which boxes (M, 4) the target can have reached since it was lost, (M,)."""
    if params.reach == 0:
        return np.ones(len(boxes), bool)
    moved = (boxes[:, :2] + boxes[:, 2:] - state.box[:2] - state.box[2:]) / 2
    size = np.sqrt((state.box[2:] - state.box[:2]).prod())
    near: Bool = np.hypot(moved[:, 0], moved[:, 1]) <= size * max(params.reach * state.lost_frames, 1.0)
    return near


def extent(state: TrackState, before: TrackState, params: FusionParams) -> F32:
    """Box (4,) around which the pixel window lies, network px: that of the track and that of the last mask together.

    The last mask's box moves along with the track's. An object that outgrows its Siamese box stays in the window. A
    mask that lies elsewhere does not count: it is from before the target was hidden.

    Args:
        state: after the Siamese RPN's step, not lost.
        before: the state before this step.
        params: whether the window covers the mask.
    """
    if not params.cover_mask or params.kind != "box" or before.lost:
        return state.box
    moved = np.tile(state.box[:2] + state.box[2:] - before.box[:2] - before.box[2:], 2) / 2
    own = (mask_box(state.probability, state.window, params) + moved).astype(np.float32)
    low, high = np.maximum(own[:2], state.box[:2]), np.minimum(own[2:], state.box[2:])
    smaller = min(area(own[None])[0], area(state.box[None])[0])
    if np.clip(high - low, 0, None).prod() < smaller / 2:
        return state.box
    low, high = np.minimum(own[:2], state.box[:2]), np.maximum(own[2:], state.box[2:])
    return np.concatenate([low, high]).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class PixelStep:
    """Result of the pixel embedding for one track in one frame.

    Attributes:
        window: (4,) network px.
        probability: (S, S) in the window.
        embedding: (E, S, S) of the window.
        finer: (G, G) in the window, of a second look; used for the mask, but not fed back.
        others: masks of other objects near the window; None if the mask is cut at the box whatever is near.
    """

    window: F32
    probability: F32
    embedding: F32
    finer: F32 | None = None
    others: Sequence[Part] | None = None


def after_pixel(
    state: TrackState, step: PixelStep, canvas: Canvas, params: TrackerParams
) -> tuple[TrackState, Outcome]:
    """Apply the pixel embedding's result: mask × box before the threshold; the product is fed back.

    Args:
        state: not lost.
        step: the pixel embedding's result.
        canvas: sizes.
        params: margin, threshold, minimum area.
    """
    fusion = params.fusion
    fused = _fused_samples(state, step, canvas, fusion)
    mask, corner = _fused_pixels(state, step, canvas, fusion)
    if np.count_nonzero(mask) < fusion.min_area:
        return state, absent()
    box = _coupled(state.box, fused, step.window, fusion)
    moved = replace(state, box=box, window=step.window, probability=fused, embedding=step.embedding)
    own_box = (box / canvas.scale_xyxy).astype(np.float32)
    look = mean_embedding(step.embedding, fused, fusion)
    return moved, Outcome(encode_part(mask, corner, canvas.frame_hw), own_box, state.score, look)


def _fused_samples(state: TrackState, step: PixelStep, canvas: Canvas, params: FusionParams) -> F32:
    """Probability (S, S) at the samples of the window, after the cut and without stray pieces."""
    side, window = step.probability.shape[0], step.window / canvas.scale_xyxy
    inside = inside_box(state.box, step.window, side, params)
    kept = inside if step.others is None else np.maximum(inside, ~covered_samples(step.others, window, side))
    fused: F32 = step.probability * kept
    if params.stray_area == 0 or params.kind != "box":
        return fused

    def last() -> Bool:
        part, (x, y) = _last_mask(state, canvas, params)
        return crop_mask(part, window - np.array([x, y, x, y], np.float32), side) >= 0.5

    mask = fused >= params.mask_thresh
    return np.where(mask & ~without_strays(mask, mask & (inside > 0), last, params.stray_area), np.float32(0), fused)


def _fused_pixels(
    state: TrackState, step: PixelStep, canvas: Canvas, params: FusionParams
) -> tuple[Bool, tuple[int, int]]:
    """Mask (h, w) in the part of the original frame that the window covers, and the part's first pixel."""
    scale = canvas.scale_xyxy
    grid = step.probability if step.finer is None else step.finer
    part, corner = paste_part(grid, step.window / scale, canvas.frame_hw)
    mask: Bool = cut_at_box(part, state.box / scale, params, corner) >= params.mask_thresh
    core = mask
    if step.others is not None:
        mask = core | ((part >= params.mask_thresh) & ~covered_pixels(step.others, part.shape, corner))
    if params.stray_area == 0 or params.kind != "box":
        return mask, corner

    def last() -> Bool:
        return covered_pixels([_last_mask(state, canvas, params)], mask.shape, corner)

    return without_strays(mask, core, last, params.stray_area), corner


def _last_mask(state: TrackState, canvas: Canvas, params: FusionParams) -> Part:
    """The mask that was fed back, in the original frame."""
    part, corner = paste_part(state.probability, state.window / canvas.scale_xyxy, canvas.frame_hw)
    return part >= params.mask_thresh, corner


def mean_embedding(embedding: F32, probability: F32, params: FusionParams) -> F16:
    """Mean embedding (E,) of a window's samples above the threshold; empty if there are none.

    Args:
        embedding: (E, S, S) of the window.
        probability: (S, S) of the same samples.
        params: threshold.
    """
    inside = (probability >= params.mask_thresh).reshape(-1).astype(np.float32)
    if not inside.any():
        return np.zeros(0, np.float16)
    mean: F16 = (embedding.reshape(len(embedding), -1) @ inside / inside.sum()).astype(np.float16)
    return mean


def box_alone(state: TrackState, canvas: Canvas) -> Outcome:
    """The Siamese RPN's box as result (`kind` "instance"), without coupling and minimum area."""
    box = (state.box / canvas.scale_xyxy).astype(np.float32)
    return Outcome(encode(fill_box(box, canvas.frame_hw)), box, state.score)


def _coupled(box: F32, probability: F32, window: F32, params: FusionParams) -> F32:
    """The box from which the next step starts, blended with the mask's bounding box if the two agree.

    The paper keeps the trackers separate. The Siamese box is the less accurate one here, and its error accumulates over
    frames; the mask corrects it. Without fusion the mask's box is the only one.
    """
    own = mask_box(probability, window, params)
    if params.kind == "none":
        return own
    if params.couple == 0 or iou_matrix(own[None], box[None])[0, 0] < COUPLE_IOU:
        return box
    blended: F32 = ((1 - params.couple) * box + params.couple * own).astype(np.float32)
    return blended


def absent() -> Outcome:
    """The object is not visible."""
    return Outcome(None, np.zeros(4, np.float32), 0.0)


def mask_box(probability: F32, window: F32, params: FusionParams) -> F32:
    """Tight box (4,) of a window's samples above the threshold; the window's center if there are none."""
    rows, columns = np.nonzero(probability >= params.mask_thresh)
    side = probability.shape[0]
    if not len(rows):
        rows = columns = np.array([side // 2])
    step = (window[2:] - window[:2]) / side
    low = np.array([columns.min(), rows.min()])
    high = np.array([columns.max() + 1, rows.max() + 1])
    return np.concatenate([window[:2] + low * step, window[:2] + high * step]).astype(np.float32)

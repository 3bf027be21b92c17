"""Is an object that a lost track has found the one it was tracking? See docs/method.md, section 5.2."""

from dataclasses import dataclass

import numpy as np

from service.structures.arrays import F16, F32
from service.structures.detections import Detections
from service.structures.masks import Rle, iou_matrix
from service.tracking.dual_tracker import TrackState
from service.tracking.params import LostParams

HALFWAY = 8.0
"""Lost frames after which half of `lost_agree` is required; all of it is required after infinitely many."""
STEP = 0.25
"""Distance, in sizes of the object, that counts as one lost frame."""
SUPPORT_IOU = 0.5
"""Minimum mask IoU of the detection whose class vector counts for a track."""


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """What an object looks like in one frame.

    Attributes:
        look: (E,) mean pixel embedding; empty if unknown.
        raw: (K,) the detector's own class vector; empty or zeros if there is none.
    """

    look: F16
    raw: F32


def appearance_in(mask: Rle, look: F16, detections: Detections) -> Appearance:
    """A track's appearance in a frame: its look, and the class vector of the detection that supports its mask.

    Args:
        mask: of the track.
        look: (E,) of the track.
        detections: of the frame, before calibration.
    """
    nothing = Appearance(look, np.zeros(0, np.float32))
    if not len(detections):
        return nothing
    overlap = iou_matrix([mask], detections.masks)[0]
    best = int(overlap.argmax())
    return Appearance(look, detections.raw[best]) if overlap[best] >= SUPPORT_IOU else nothing


def recognized(seed: Appearance, found: Appearance, lost: TrackState, box: F32, params: LostParams) -> bool:
    """Whether a found object agrees with the seed as much as the length of the gap demands.

    Args:
        seed: appearance of the seed.
        found: appearance of the object.
        lost: the track's state in the last frame in which it was lost.
        box: (4,) of the object, network px.
        params: the agreement that is required after a very long gap.
    """
    gap = absence(lost, box)
    return agreement(seed, found) >= params.agree * gap / (gap + HALFWAY)


def agreement(a: Appearance, b: Appearance) -> float:
    """Similarity of two appearances in [0, 1]: the lower one of embedding and class vector, those that both have."""
    similar = similarity(a.look, b.look) if len(a.look) and len(b.look) else 1.0
    norms = float(np.linalg.norm(a.raw) * np.linalg.norm(b.raw)) if len(a.raw) == len(b.raw) else 0.0
    return min(similar, float(a.raw @ b.raw) / norms) if norms > 0 else similar


def similarity(a: F16, b: F16) -> float:
    """Similarity of two mean embeddings (E,) in (0, 1]."""
    distance = a.astype(np.float32) - b.astype(np.float32)
    return float(np.exp(-(distance @ distance)))


def absence(lost: TrackState, box: F32) -> float:
    """Length of a gap in frames; a distance counts as the frames in which an object moves that far."""
    moved = (box[:2] + box[2:] - lost.box[:2] - lost.box[2:]) / 2
    size = float(np.sqrt((lost.box[2:] - lost.box[:2]).prod()))
    return max(float(lost.lost_frames), float(np.hypot(*moved)) / max(size, 1.0) / STEP)

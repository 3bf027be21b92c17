"""The detections of one frame, and a single one of them."""

from dataclasses import dataclass, field

import numpy as np

from service.structures.arrays import F32, I64
from service.structures.masks import Rle

Place = tuple[int, bytes, Rle]
"""Frame, box and mask of a candidate: what identifies it within its chunk, whatever its class vector."""


def _none() -> F32:
    return np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """N candidates in one frame, in pixels of the original frame.

    Attributes:
        frame: index of the frame, from 0.
        boxes: (N, 4) float32, x1 y1 x2 y2, continuous edges, x2 >= x1 and y2 >= y1.
        probs: (N, K) float32 in [0, 1], full class vectors without background, not normalized.
        masks: N masks, all of the frame's size.
        raw: (N, K') float32, the detector's own class vectors, which calibration and projection to categories leave
            alone; by default `probs`. A row of zeros: the candidate was given without a vector.
    """

    frame: int
    boxes: F32
    probs: F32
    masks: tuple[Rle, ...]
    raw: F32 = field(default_factory=_none)

    def __post_init__(self) -> None:
        n = len(self.masks)
        if not self.raw.size:
            object.__setattr__(self, "raw", self.probs)
        if self.boxes.shape != (n, 4):
            raise ValueError(f"detections.boxes: expected ({n}, 4), got {self.boxes.shape}")
        if self.probs.ndim != 2 or self.probs.shape[0] != n:
            raise ValueError(f"detections.probs: expected ({n}, K), got {self.probs.shape}")
        if len(self.raw) != n:
            raise ValueError(f"detections.raw: expected ({n}, K'), got {self.raw.shape}")

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def labels(self) -> I64:
        """(N,) int64, the class with the highest score."""
        return self.probs.argmax(axis=1).astype(np.int64) if len(self) else np.zeros(0, np.int64)

    @property
    def scores(self) -> F32:
        """(N,) float32, the highest class score: raw before calibration, re-weighted after it."""
        return self.probs.max(axis=1) if len(self) else np.zeros(0, np.float32)

    def candidate(self, index: int) -> "Candidate":
        """The candidate at `index`."""
        return Candidate(self.frame, self.boxes[index], self.probs[index], self.masks[index], self.raw[index])

    def select(self, keep: I64) -> "Detections":
        """The candidates at the indices `keep`, in that order."""
        masks = tuple(self.masks[int(i)] for i in keep)
        return Detections(self.frame, self.boxes[keep], self.probs[keep], masks, self.raw[keep])


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One detection with its class vector; a *seed* if chosen for tracking.

    Attributes:
        frame: index of the frame, from 0.
        box: (4,) float32, x1 y1 x2 y2 in pixels of the original frame.
        probs: (K,) float32 in [0, 1].
        mask: in the original frame.
        raw: (K',) float32, the detector's own class vector; empty or zeros if there is none.
    """

    frame: int
    box: F32
    probs: F32
    mask: Rle
    raw: F32 = field(default_factory=_none)

    @property
    def label(self) -> int:
        """The class with the highest score."""
        return int(self.probs.argmax())

    @property
    def score(self) -> float:
        """The highest class score."""
        return float(self.probs.max())

    @property
    def place(self) -> Place:
        """What identifies it among the candidates of its chunk; calibration leaves it alone."""
        return self.frame, self.box.tobytes(), self.mask

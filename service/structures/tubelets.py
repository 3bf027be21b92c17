"""Tubelets: objects over the frames of a chunk or of the video."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from service.structures.arrays import F16, F32
from service.structures.detections import Candidate
from service.structures.masks import Rle


@dataclass(frozen=True, slots=True, eq=False)
class Tubelet:
    """The result of tracking one seed forward and backward through T frames.

    Attributes:
        seed: the candidate that was tracked; the best one if the tubelet is stitched from several.
        masks: T masks in the original frame; None where the object is not visible or lost.
        boxes: (T, 4) float32, tracked boxes x1 y1 x2 y2 in pixels of the original frame; zeros where the
            mask is None.
        scores: (T,) float32 in [0, 1], the Siamese score q_t; 1 at the frame of a seed, 0 where the mask is None.
        start: frame of the video at which the T entries begin. They need not reach the end of the video: with
            thousands of short tubelets in an hour-long video nearly all entries would be empty.
        looks: (T, E) float16, the mean pixel embedding of the object in each frame, zeros where the mask is None;
            (T, 0) if it is unknown. Rules across the tubelets of a chunk read it.
        confidence: (T,) float32 in [0, 1], how sure it is that this is still the same object (`tracking.confidence`);
            1 by default.
    """

    seed: Candidate
    masks: Sequence[Rle | None]
    boxes: F32
    scores: F32
    start: int = 0
    looks: F16 = field(default_factory=lambda: np.zeros((0, 0), np.float16))
    confidence: F32 = field(default_factory=lambda: np.zeros(0, np.float32))

    def __post_init__(self) -> None:
        length = len(self.masks)
        if not self.looks.size:
            object.__setattr__(self, "looks", np.zeros((length, 0), np.float16))
        if not self.confidence.size:
            object.__setattr__(self, "confidence", np.ones(length, np.float32))
        if self.boxes.shape != (length, 4) or self.scores.shape != (length,):
            raise ValueError(
                f"tubelet: expected boxes ({length}, 4) and scores ({length},), "
                f"got {self.boxes.shape} and {self.scores.shape}"
            )
        if len(self.looks) != length or self.confidence.shape != (length,):
            raise ValueError(
                f"tubelet: expected looks ({length}, E) and confidence ({length},), "
                f"got {self.looks.shape} and {self.confidence.shape}"
            )

    @property
    def end(self) -> int:
        """The frame of the video after the last of the T entries."""
        return self.start + len(self.masks)

    @property
    def frames(self) -> tuple[int, ...]:
        """Indices of the frames with a mask, ascending."""
        return tuple(t for t, mask in enumerate(self.masks, self.start) if mask is not None)

    def mask_at(self, frame: int) -> Rle | None:
        """The mask in a frame of the video; None also outside the tubelet's entries."""
        place = frame - self.start
        return self.masks[place] if 0 <= place < len(self.masks) else None

    def part(self, first: int, end: int) -> "Tubelet":
        """The part from frame `first` to `end` - 1 of the video, which must be within its entries."""
        places = slice(first - self.start, end - self.start)
        return replace(
            self,
            masks=self.masks[places],
            boxes=self.boxes[places],
            scores=self.scores[places],
            start=first,
            looks=self.looks[places],
            confidence=self.confidence[places],
        )


def joined(pieces: Sequence[Tubelet]) -> Tubelet:
    """Concatenate pieces without gaps between them; the seed is their best one, the first of equal ones. No looks."""
    if len(pieces) == 1:
        return pieces[0]
    masks = [mask for piece in pieces for mask in piece.masks]
    boxes: F32 = np.concatenate([piece.boxes for piece in pieces])
    scores: F32 = np.concatenate([piece.scores for piece in pieces])
    confidence: F32 = np.concatenate([piece.confidence for piece in pieces])
    seed = max((piece.seed for piece in pieces), key=lambda seed: seed.score)
    return Tubelet(seed, masks, boxes, scores, pieces[0].start, confidence=confidence)


@dataclass(frozen=True, slots=True, eq=False)
class LabeledTubelet:
    """A tubelet with its final classes and scores.

    Attributes:
        tubelet: the masks and boxes.
        label: index into the categories of the result (`Run.categories`).
        score: in [0, 1].
        id: of the object in the video, counted from 1 in the order in which objects were found; within a chunk, the
            number of its seed; 0 if not assigned yet.
        others: further classes that the object may belong to, as (label, score) with the highest score first.
    """

    tubelet: Tubelet
    label: int
    score: float
    id: int = 0
    others: tuple[tuple[int, float], ...] = ()

    @property
    def classes(self) -> tuple[tuple[int, float], ...]:
        """(label, score) of all classes that the object may belong to, its own first."""
        return ((self.label, self.score), *self.others)

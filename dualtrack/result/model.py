"""The values of a result, schema 1: one tubelet per object, one entry per object and frame.

Boxes are x1 y1 x2 y2 with continuous edges, in pixels of the original frame after rotation. Frames count from 0.
"""

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from dualtrack.errors import InvalidResult

SCHEMA = 1
"""Counts up when a member changes its meaning. A reader refuses a higher number than its own."""
Box = tuple[float, float, float, float]
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Category:
    """One category: its id in its set, and its name."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Video:
    """The video that was segmented.

    Attributes:
        width, height: of a frame after rotation, pixels.
        frames: number of decoded frames.
        fps: frames a second, pauses left out; 0 if unknown.
        duration_s: seconds.
        time_base: unit of the stream's own time stamps, seconds as a fraction ("1/12800"); None if unknown.
        timestamps: presentation time of every frame, seconds, as in the file; they rise strictly.
        damage: why the frames end before the file does, in the decoder's words, and after which frame.
        container, codec, rotation, variable_frame_rate, size_bytes, stream: what the probe said of the file.
    """

    width: int
    height: int
    frames: int
    fps: float = 0.0
    duration_s: float = 0.0
    time_base: str | None = None
    timestamps: tuple[float, ...] = field(default=(), repr=False)
    damage: str | None = None
    container: str | None = None
    codec: str | None = None
    rotation: int = 0
    variable_frame_rate: bool = False
    size_bytes: int | None = None
    stream: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of frames that was calibrated and tracked together: `seeds` were tracked there."""

    first_frame: int
    last_frame: int
    seeds: int
    max_seeds_reached: bool


@dataclass(frozen=True, slots=True)
class TubeletHead:
    """A tubelet without its frames.

    Attributes:
        id: from 1, in the order in which objects were found; an object keeps it, whatever its rank is in the end.
        category_id: published id of the category; None in results that were written before ids were published.
        category: its name.
        score: in [0, 1].
        first_frame, last_frame: first and last frame with a mask.
        frames: number of frames with a mask.
        seed_frame: frame of the detection that was tracked.
    """

    id: int
    category_id: int | None
    category: str
    score: float
    first_frame: int
    last_frame: int
    frames: int
    seed_frame: int

    @property
    def span(self) -> range:
        """The frames from its first mask to its last one."""
        return range(self.first_frame, self.last_frame + 1)


@dataclass(frozen=True, slots=True)
class Entry:
    """An object in one frame.

    Attributes:
        counts: COCO's compressed run lengths of the mask; its size is the video's height and width.
        box: tight box of the mask; None in results that were written before there was one.
        track_box: the tracker's box.
        track_score: the Siamese score, in [0, 1].
    """

    counts: str
    box: Box | None
    track_box: Box
    track_score: float


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One of the classes that an object may have, and its score in [0, 1]."""

    category_id: int | None
    category: str
    score: float


@dataclass(frozen=True, slots=True)
class Tubelet:
    """A tubelet: one object over the video.

    Frames are numbers of the video's frames, from 0; boxes are x1 y1 x2 y2 with continuous edges in pixels of the
    original frame after rotation. Methods that take a frame return None where the object is not visible, and raise
    `IndexError` where the video has no such frame.

    Attributes:
        head: everything but the frames.
        entries: one for each frame of `head.span`; None where the object is not visible.
        video: that it belongs to.

    Example:
        >>> for tubelet in result.tubelets:
        ...     print(tubelet.id, tubelet.category, tubelet.score)
        ...     areas = [int(tubelet.mask(frame).sum()) for frame in tubelet.frames]
    """

    head: TubeletHead
    entries: tuple[Entry | None, ...] = field(repr=False)
    video: Video = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.entries) != len(self.head.span):
            wanted = f"{len(self.head.span)} entries, one per frame of its span"
            raise InvalidResult(f"tubelet {self.head.id}: expected {wanted}, got {len(self.entries)}")

    @property
    def id(self) -> int:
        """Number of the object in this result, from 1."""
        return self.head.id

    @property
    def category_id(self) -> int | None:
        """Published id of the category."""
        return self.head.category_id

    @property
    def category(self) -> str:
        """Name of the category."""
        return self.head.category

    @property
    def score(self) -> float:
        """In [0, 1]."""
        return self.head.score

    @property
    def classes(self) -> tuple[ClassScore, ...]:
        """The classes that the object may have, best first; of results that name one class, that one."""
        return (ClassScore(self.head.category_id, self.head.category, self.head.score),)

    @property
    def first_frame(self) -> int:
        """First frame with a mask."""
        return self.head.first_frame

    @property
    def last_frame(self) -> int:
        """Last frame with a mask."""
        return self.head.last_frame

    @property
    def seed_frame(self) -> int:
        """Frame of the detection that was tracked."""
        return self.head.seed_frame

    @property
    def frames(self) -> tuple[int, ...]:
        """The frames with a mask, ascending."""
        return tuple(frame for frame, entry in zip(self.head.span, self.entries, strict=True) if entry is not None)

    @property
    def times(self) -> tuple[float, ...]:
        """Presentation times of `frames`, seconds; empty where the video's are unknown."""
        if self.video.timestamps:
            return tuple(self.video.timestamps[frame] for frame in self.frames)
        return tuple(frame / self.video.fps for frame in self.frames) if self.video.fps else ()

    def at(self, frame: SupportsIndex) -> Entry | None:
        """Mask, boxes and score of a frame as they are stored."""
        number = operator.index(frame)
        if not 0 <= number < max(self.video.frames, self.head.last_frame + 1):
            raise IndexError(f"frame: expected 0 to {self.video.frames - 1}, got {number}")
        return self.entries[number - self.head.first_frame] if number in self.head.span else None

    def rle(self, frame: SupportsIndex) -> dict[str, Any] | None:
        """The mask as COCO's compressed RLE: `size` (height, width) and `counts`, as pycocotools reads it."""
        entry = self.at(frame)
        return None if entry is None else {"size": [self.video.height, self.video.width], "counts": entry.counts}

    def mask(self, frame: SupportsIndex) -> NDArray[np.bool_] | None:
        """The mask, bool of shape (height, width); decoded at each call."""
        rle = self.rle(frame)
        return None if rle is None else coco.decode(rle).astype(bool)

    def box(self, frame: SupportsIndex) -> Box | None:
        """The tight box of the mask; None also in results of format 0."""
        entry = self.at(frame)
        return None if entry is None else entry.box

    def track_box(self, frame: SupportsIndex) -> Box | None:
        """The tracker's box: the whole object's extent as the Siamese RPN sees it, also where part is hidden."""
        entry = self.at(frame)
        return None if entry is None else entry.track_box

    def score_at(self, frame: SupportsIndex) -> float | None:
        """The tracker's score, in [0, 1]: how sure the Siamese RPN is that this is the object that it tracks."""
        entry = self.at(frame)
        return None if entry is None else entry.track_score


@dataclass(frozen=True, slots=True)
class Head:
    """A result without the frames of its tubelets.

    Attributes:
        video: what was segmented.
        models: `architecture` and `release` of the networks.
        detector: what took the bundled detector's place, or None.
        parameters: effective value of every parameter.
        categories: that the labels come from; empty in results that were written before they were listed.
        tracked_every: k, where every k-th frame was tracked; the others are filled in.
        chunks: in order.
        tubelets: best first.
    """

    video: Video
    models: Mapping[str, str]
    detector: str | None
    parameters: Mapping[str, Any]
    categories: tuple[Category, ...]
    tracked_every: int
    chunks: tuple[Chunk, ...]
    tubelets: tuple[TubeletHead, ...]

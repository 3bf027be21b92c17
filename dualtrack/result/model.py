"""The values of a result, schema 1: one tubelet per object, one entry per object and frame.

Boxes are x1, y1, x2, y2 with continuous edges, in pixels of the original frame after rotation. Frames count from 0.
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
"""Number of the schema; it is incremented when a member changes its meaning. Readers reject higher numbers."""
Box = tuple[float, float, float, float]
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Category:
    """A category of the result.

    Attributes:
        id: published id of the category: COCO's id; 1000 + the YouTube-VIS 2019 id for classes that COCO lacks; the
            id in the set or list that the parameter `categories` requested.
        name: name of the category.

    Example:
        >>> names = {category.id: category.name for category in result.categories}
    """

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Video:
    """The video that was segmented.

    Attributes:
        width: width of a frame after rotation, in pixels.
        height: height of a frame after rotation, in pixels.
        frames: number of decoded frames.
        fps: frames per second, not counting pauses; 0 if unknown.
        duration_s: duration in seconds; 0 if unknown.
        time_base: unit of the stream's own timestamps as a fraction of a second, such as "1/12800"; None if unknown.
        timestamps: presentation time of every frame in the file, in seconds, strictly increasing; empty if unknown.
        damage: why decoding stopped before the end of the file, and after which frame; None if it did not.
        container: FFmpeg's name of the container; None if unknown.
        codec: FFmpeg's name of the codec; None if unknown.
        rotation: degrees counterclockwise by which frames were rotated.
        variable_frame_rate: whether the time between frames varies.
        size_bytes: size of the file; None if unknown.
        stream: index of the video stream that was used.

    Example:
        >>> print(f"{result.video.frames} frames of {result.video.width}x{result.video.height} px")
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
    """A range of frames that was calibrated and tracked as a unit.

    Attributes:
        first_frame: first frame of the chunk.
        last_frame: last frame of the chunk, inclusive.
        seeds: number of detections that were chosen for tracking.
        max_seeds_reached: whether the limit `max_seeds` was reached, so objects may be missing.

    Example:
        >>> incomplete = [chunk for chunk in result.chunks if chunk.max_seeds_reached]
    """

    first_frame: int
    last_frame: int
    seeds: int
    max_seeds_reached: bool


@dataclass(frozen=True, slots=True)
class ClassScore:
    """A category that an object may belong to, and its score.

    Attributes:
        category_id: published id of the category; None in results that were written before schema 1.
        category: name of the category.
        score: score of the category, in [0, 1].

    Example:
        >>> for each in result.tubelets[0].classes:
        ...     print(each.category, each.score)
    """

    category_id: int | None
    category: str
    score: float


@dataclass(frozen=True, slots=True)
class TubeletHead:
    """A tubelet without its frames.

    Attributes:
        id: counts up from 1 in the order in which objects were found; it depends neither on the rank nor on
            `min_score`, so the ids of tubelets that were left out are missing.
        category_id: published id of the category; None in results that were written before schema 1.
        category: name of the category.
        score: score of the category, in [0, 1].
        first_frame: first frame with a mask.
        last_frame: last frame with a mask.
        frames: number of frames with a mask.
        seed_frame: frame of the detection that was tracked.
        uncertain: first and last frame of every span in which the tubelet may have changed to another object,
            ascending; None in results that do not record it.
        classes: the categories that the object may belong to, best first; the first is `category` with `score`. Results
            that were written before they were recorded have that one alone.
    """

    id: int
    category_id: int | None
    category: str
    score: float
    first_frame: int
    last_frame: int
    frames: int
    seed_frame: int
    uncertain: tuple[tuple[int, int], ...] | None = None
    classes: tuple[ClassScore, ...] = ()

    def __post_init__(self) -> None:
        if not self.classes:
            object.__setattr__(self, "classes", (ClassScore(self.category_id, self.category, self.score),))

    @property
    def span(self) -> range:
        """All frames from the first mask to the last one, with or without a mask."""
        return range(self.first_frame, self.last_frame + 1)


@dataclass(frozen=True, slots=True)
class Entry:
    """An object in one frame, as it is stored.

    Attributes:
        counts: COCO's compressed run lengths of the mask; the mask has the size of the video.
        box: tight box of the mask (x1, y1, x2, y2), in pixels of the original frame; None in results that were
            written before schema 1.
        track_box: the tracker's box (x1, y1, x2, y2), in pixels of the original frame: the Siamese RPN's, blended
            with the mask's box by the parameter `couple`; it may be larger or smaller than the mask.
        track_score: Siamese score of the tracker, in [0, 1]; 1 in the frame of the seed.
        confidence: how sure it is that this is still the same object, in [0, 1]; below 0.5 the frame belongs to an
            uncertain span. None in results that do not record it.

    Example:
        >>> tubelet = result.tubelets[0]
        >>> entry = tubelet.at(tubelet.first_frame)
        >>> x1, y1, x2, y2 = entry.track_box
    """

    counts: str
    box: Box | None
    track_box: Box
    track_score: float
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Tubelet:
    """One object over the video: a category, a score, and a mask in every frame in which it is visible.

    Frames are indices of the video's frames, from 0. Boxes are x1, y1, x2, y2 with continuous edges, in pixels of the
    original frame after rotation. Methods that take a frame return None if the object is not visible there, and raise
    an `IndexError` if the video has no such frame.

    Attributes:
        head: the tubelet without its frames; the properties below return its values.
        entries: one per frame from the first mask to the last; None where the object is not visible.
        video: the video that the tubelet belongs to.

    Example:
        >>> import dualtrack
        >>> result = dualtrack.segment("clip.mp4")
        >>> for tubelet in result.tubelets:
        ...     areas = [int(tubelet.mask(frame).sum()) for frame in tubelet.frames]
        ...     print(tubelet.id, tubelet.category, f"{tubelet.score:.2f}", "largest mask:", max(areas), "px")
    """

    head: TubeletHead
    entries: tuple[Entry | None, ...] = field(repr=False)
    video: Video = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.entries) != len(self.head.span):
            expected = f"{len(self.head.span)} entries, one per frame of its span"
            raise InvalidResult(f"tubelet {self.head.id}: expected {expected}, got {len(self.entries)}")

    @property
    def id(self) -> int:
        """Number of the object, from 1 in the order in which objects were found.

        It depends neither on the rank nor on `min_score`: the ids of tubelets that were left out are missing.
        """
        return self.head.id

    @property
    def category_id(self) -> int | None:
        """Published id of the category; None in results that were written before schema 1."""
        return self.head.category_id

    @property
    def category(self) -> str:
        """Name of the category."""
        return self.head.category

    @property
    def score(self) -> float:
        """Score of the category, in [0, 1]."""
        return self.head.score

    @property
    def classes(self) -> tuple[ClassScore, ...]:
        """The categories that the object may belong to, best first: its own, and at most nine with a score above 0.05.

        Scores of different categories do not add up to 1. Results that were written before they were recorded, and
        those with the parameter `label=mode`, have the object's own category alone.
        """
        return self.head.classes

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
        """Frame of the detection that was tracked forward and backward."""
        return self.head.seed_frame

    @property
    def uncertain(self) -> tuple[tuple[int, int], ...] | None:
        """First and last frame of every span in which the tubelet may have changed to another object.

        None in results that do not record it.
        """
        return self.head.uncertain

    @property
    def frames(self) -> tuple[int, ...]:
        """The frames with a mask, in ascending order."""
        return tuple(frame for frame, entry in zip(self.head.span, self.entries, strict=True) if entry is not None)

    @property
    def times(self) -> tuple[float, ...]:
        """Presentation times of `frames`, in seconds; empty if neither times nor frame rate of the video are known."""
        if self.video.timestamps:
            return tuple(self.video.timestamps[frame] for frame in self.frames)
        return tuple(frame / self.video.fps for frame in self.frames) if self.video.fps else ()

    def at(self, frame: SupportsIndex) -> Entry | None:
        """Mask, boxes and score in a frame as they are stored, or None if the object is not visible.

        Args:
            frame: index of the frame, from 0.

        Raises:
            IndexError: the video has no such frame.
        """
        number = operator.index(frame)
        if not 0 <= number < max(self.video.frames, self.head.last_frame + 1):
            raise IndexError(f"frame: expected 0 to {self.video.frames - 1}, got {number}")
        return self.entries[number - self.head.first_frame] if number in self.head.span else None

    def rle(self, frame: SupportsIndex) -> dict[str, Any] | None:
        """The mask in a frame as COCO RLE, or None if the object is not visible.

        Args:
            frame: index of the frame, from 0.

        Returns:
            A dictionary with `size` (height, width) and `counts` (str), which `pycocotools.mask.decode` accepts.

        Raises:
            IndexError: the video has no such frame.

        Example:
            >>> height, width = tubelet.rle(tubelet.first_frame)["size"]
        """
        entry = self.at(frame)
        return None if entry is None else {"size": [self.video.height, self.video.width], "counts": entry.counts}

    def mask(self, frame: SupportsIndex) -> NDArray[np.bool_] | None:
        """The mask in a frame, or None if the object is not visible.

        Args:
            frame: index of the frame, from 0.

        Returns:
            A bool array (height, width) of the original frame after rotation, decoded on every call.

        Raises:
            IndexError: the video has no such frame.

        Example:
            >>> mask = tubelet.mask(tubelet.first_frame)
            >>> print(mask.shape, mask.sum(), "pixels")
        """
        rle = self.rle(frame)
        return None if rle is None else coco.decode(rle).astype(bool)

    def box(self, frame: SupportsIndex) -> Box | None:
        """The tight box of the mask in a frame, or None if the object is not visible.

        Args:
            frame: index of the frame, from 0.

        Returns:
            x1, y1, x2, y2 in pixels of the original frame after rotation. Always None in results that were written
            before schema 1.

        Raises:
            IndexError: the video has no such frame.

        Example:
            >>> x1, y1, x2, y2 = tubelet.box(tubelet.first_frame)
        """
        entry = self.at(frame)
        return None if entry is None else entry.box

    def track_box(self, frame: SupportsIndex) -> Box | None:
        """The tracker's box in a frame, or None if the object is not visible.

        It estimates the extent of the whole object, including hidden parts: the Siamese RPN's box, blended with the
        mask's box by the parameter `couple`. Unlike `box`, it may be larger or smaller than the mask.

        Args:
            frame: index of the frame, from 0.

        Returns:
            x1, y1, x2, y2 in pixels of the original frame after rotation.

        Raises:
            IndexError: the video has no such frame.

        Example:
            >>> x1, y1, x2, y2 = tubelet.track_box(tubelet.first_frame)
        """
        entry = self.at(frame)
        return None if entry is None else entry.track_box

    def score_at(self, frame: SupportsIndex) -> float | None:
        """The tracker's score in a frame, or None if the object is not visible.

        Args:
            frame: index of the frame, from 0.

        Returns:
            The Siamese RPN's confidence, in [0, 1], that this is still the tracked object.

        Raises:
            IndexError: the video has no such frame.

        Example:
            >>> weakest = min(tubelet.frames, key=tubelet.score_at)
        """
        entry = self.at(frame)
        return None if entry is None else entry.track_score


@dataclass(frozen=True, slots=True)
class Head:
    """A result without the frames of its tubelets.

    Attributes:
        video: the video that was segmented.
        models: `architecture` of the networks and `release` of their weights.
        detector: the detector or detections file that replaced the bundled detector; None if none did.
        parameters: value that was used for every parameter, including defaults.
        categories: categories of the labels; empty in results that were written before they were recorded.
        tracked_every: k if every k-th frame was tracked and the frames between were filled in.
        chunks: chunks of the video, in order.
        tubelets: heads of the tubelets, by descending score.
        left_out: number of tubelets that the result does not contain, because their score is below the parameter
            `min_score`, or was expected to be while they were tracked; 0 in results that were written before there was
            this parameter.
    """

    video: Video
    models: Mapping[str, str]
    detector: str | None
    parameters: Mapping[str, Any]
    categories: tuple[Category, ...]
    tracked_every: int
    chunks: tuple[Chunk, ...]
    tubelets: tuple[TubeletHead, ...]
    left_out: int = 0

    @property
    def max_seeds_reached(self) -> bool:
        """Whether the limit `max_seeds` was reached in any chunk, so objects may be missing."""
        return any(chunk.max_seeds_reached for chunk in self.chunks)

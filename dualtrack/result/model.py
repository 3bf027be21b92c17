"""The values of a result, schema 1: one object per tubelet, one entry per object and frame.

Boxes are x1 y1 x2 y2 with continuous edges, in pixels of the original frame after rotation. Frames count from 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
        fps: average rate; 0 if unknown.
        duration_s: seconds.
        time_base: unit of the stream's own time stamps, seconds as a fraction ("1/12800"); None if unknown.
        timestamps: presentation time of every frame, seconds.
        damage: why the decoder stopped before the end of the file, in its words.
        container, codec, rotation, variable_frame_rate, size_bytes, stream: what the probe said of the file.
    """

    width: int
    height: int
    frames: int
    fps: float = 0.0
    duration_s: float = 0.0
    time_base: str | None = None
    timestamps: tuple[float, ...] = ()
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
class Tubelet:
    """A tubelet: one object over the video.

    Attributes:
        head: id, category, score, span.
        entries: one for each frame of `head.span`; None where the object is not visible.
    """

    head: TubeletHead
    entries: tuple[Entry | None, ...]

    def __post_init__(self) -> None:
        if len(self.entries) != len(self.head.span):
            wanted = f"{len(self.head.span)} entries, one per frame of its span"
            raise InvalidResult(f"tubelet {self.head.id}: expected {wanted}, got {len(self.entries)}")

    def at(self, frame: int) -> Entry | None:
        """The entry of a frame of the video; None where the object is not visible."""
        return self.entries[frame - self.head.first_frame] if frame in self.head.span else None


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


@dataclass(frozen=True, slots=True)
class Result:
    """A whole result in memory."""

    head: Head
    tubelets: tuple[Tubelet, ...]

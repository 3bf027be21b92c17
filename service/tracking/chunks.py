"""Cuts a long video at shot changes, and into overlapping chunks (docs/method.md, section 8)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from service.tracking.params import ChunkParams

NextChange = Callable[[int, int], int | None]
"""Frames `after`, `upto` -> the first shot change (first frame of a shot) in after + 1 … upto, or None."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Frames of a video that are calibrated and tracked together.

    Attributes:
        first: index of its first frame.
        end: index after its last frame.
        shared: number of frames at its start that are also in the previous chunk; 0 at the start of a shot.
    """

    first: int
    end: int
    shared: int = 0

    @property
    def frames(self) -> range:
        """Indices of its frames."""
        return range(self.first, self.end)

    @property
    def overlap(self) -> range:
        """Indices of the frames that are also in the previous chunk."""
        return range(self.first, self.first + self.shared)

    @property
    def own(self) -> range:
        """Indices of the frames that are in no previous chunk."""
        return range(self.first + self.shared, self.end)


def cut(length: int, params: ChunkParams, next_change: NextChange) -> Iterator[Chunk]:
    """Chunks of a video of `length` frames, in order; none for a video without frames.

    Every frame is in one chunk, or in two where they overlap. Looks half a chunk ahead, so that the rest of a shot does
    not become a chunk of a few frames, which would have to be calibrated on those alone.

    Args:
        length: of the video.
        params: size, overlap and use of shot changes.
        next_change: called for at most one and a half chunks ahead.
    """
    first = shared = end = 0
    while end < length:
        ahead = min(first + params.frames + params.frames // 2, length)
        change = next_change(first + shared, ahead)
        shot_end = ahead if change is None and ahead == length else change
        end = _end(first, shot_end, params)
        yield Chunk(first, end, shared)
        shared = 0 if end == shot_end else params.overlap
        first = end - shared


def shared_frames(chunk: Chunk, length: int, params: ChunkParams) -> tuple[int, ...]:
    """Frames of a chunk, relative to it, that another chunk may have as well.

    Whether a shot ends with the chunk is not known here, so the last ones count as shared unless the video ends.
    """
    frames = len(chunk.frames)
    last = frames - params.overlap if chunk.end < length else frames
    return (*range(chunk.shared), *range(max(last, chunk.shared), frames))


def _end(first: int, shot_end: int | None, params: ChunkParams) -> int:
    """End of the chunk that begins at `first`; None: the shot extends at least half a chunk further."""
    if shot_end is None:
        return first + params.frames
    if shot_end - first <= params.frames:
        return shot_end
    # two chunks of about the same length
    return first + (shot_end - first + params.overlap + 1) // 2

"""The stages' interface to a video: its clip, or some frames of it."""

from dataclasses import replace
from typing import Protocol

from service.media.video_info import VideoInfo
from service.structures.arrays import F64, U8


class FrameSource(Protocol):
    """Frames that can be read in any order: a `Clip`, a `KnownClip`, or a `FrameSubset`."""

    @property
    def timestamps(self) -> F64:
        """(T,) seconds."""
        ...

    @property
    def info(self) -> VideoInfo:
        """The video; its `frames` is the number of frames here."""
        ...

    @property
    def damage(self) -> str | None:
        """The decoder's message if it stopped before the end of the file."""
        ...

    @property
    def network_hw(self) -> tuple[int, int]:
        """Height and width of the frames returned by `frame`."""
        ...

    @property
    def frame_hw(self) -> tuple[int, int]:
        """Height and width of the original frames, rotation applied."""
        ...

    @property
    def indices(self) -> range:
        """Indices of the frames in the video."""
        ...

    def __len__(self) -> int: ...

    async def ready(self) -> None:
        """Must be awaited before the first `frame`; it may decode the whole video (`KnownClip`)."""
        ...

    def frame(self, index: int) -> U8:
        """Frame `index` of this source, (h, w, 3) uint8 RGB of `network_hw`."""
        ...


class FrameSubset:
    """Some frames of a clip, with indices from 0; does not own the clip.

    Args:
        clip: source of the frames.
        frames: indices in the clip, ascending.
    """

    def __init__(self, clip: FrameSource, frames: range) -> None:
        if len(frames) and not 0 <= frames[0] <= frames[-1] < len(clip):
            raise ValueError(f"clip: expected a range within its {len(clip)} frames, got {frames}")
        self._clip, self._frames = clip, frames
        self.info = replace(clip.info, frames=len(frames))
        self.network_hw, self.frame_hw, self.damage = clip.network_hw, clip.frame_hw, clip.damage
        here = slice(frames.start, frames.stop, frames.step)
        self.timestamps: F64 = clip.timestamps[here]
        self.indices: range = clip.indices[here]

    def __len__(self) -> int:
        return len(self._frames)

    async def ready(self) -> None:
        """See `FrameSource`."""
        await self._clip.ready()

    def frame(self, index: int) -> U8:
        """Frame `index` of the subset."""
        return self._clip.frame(self._frames[index])

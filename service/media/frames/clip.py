"""The decoded frames of one video, readable in any order."""

from service.media.frames.stored_frames import StoredFrames
from service.media.video_info import VideoInfo
from service.structures.arrays import F64, U8


class Clip:
    """Frames at the size that the networks take, on disk.

    Args:
        frames: closed with the clip.
        info: the video; its `frames` are those of the clip.
        damage: why the frames end before the file does, in the decoder's words, and after which frame.
    """

    def __init__(self, frames: StoredFrames, info: VideoInfo, *, damage: str | None = None) -> None:
        self._frames, self.info, self.damage = frames, info, damage

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def timestamps(self) -> F64:
        """(T,) seconds."""
        return self._frames.timestamps

    @property
    def network_hw(self) -> tuple[int, int]:
        """Height and width of the frames that are given out."""
        return self._frames.network_hw

    @property
    def frame_hw(self) -> tuple[int, int]:
        """Height and width of the original frames, rotation applied."""
        return (self.info.height, self.info.width)

    @property
    def indices(self) -> range:
        """Index in the video of each frame here; see `FrameSource`."""
        return range(len(self))

    async def ready(self) -> None:
        """The frames are there; see `FrameSource`."""

    def frame(self, index: int) -> U8:
        """Frame `index`, (h, w, 3) uint8 RGB of `network_hw`, not to be written to.

        Raises:
            IndexError: there is no such frame.
            ValueError: the clip is closed.
        """
        return self._frames.read(index)

    def close(self) -> None:
        """Give the disk space back."""
        self._frames.close()

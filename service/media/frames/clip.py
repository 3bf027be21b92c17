"""The decoded frames of one video, readable in any order."""

from service.media.frames.stored_frames import StoredFrames
from service.media.video_info import VideoInfo
from service.structures.arrays import F64, U8


class Clip:
    """Frames on disk, at the networks' frame size.

    Args:
        frames: the stored frames, closed with the clip.
        info: the video; its `frames` is the number in the clip.
        damage: the decoder's message if it stopped before the end of the file.
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
        """Height and width of the frames as returned."""
        return self._frames.network_hw

    @property
    def frame_hw(self) -> tuple[int, int]:
        """Height and width of the original frames, rotation applied."""
        return (self.info.height, self.info.width)

    @property
    def indices(self) -> range:
        """Indices of the frames in the video; see `FrameSource`."""
        return range(len(self))

    async def ready(self) -> None:
        """Return immediately; see `FrameSource`."""

    def frame(self, index: int) -> U8:
        """Frame `index`, (h, w, 3) uint8 RGB of `network_hw`; read-only.

        Raises:
            IndexError: the frame does not exist.
            ValueError: the clip is closed.
        """
        return self._frames.read(index)

    def close(self) -> None:
        """Free the disk space."""
        self._frames.close()

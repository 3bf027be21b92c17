"""The decoded frames of one video, readable in any order."""

from pathlib import Path

import numpy as np

from service.media.video_info import VideoInfo
from service.structures.arrays import F64, U8


class Clip:
    """Frames at the size that the networks take, in one memory-mapped file.

    Args:
        path: raw frames, one after the other; removed by `close`.
        timestamps: (T,) seconds.
        info: the video; its `frames` are those of the clip.
        network_hw: height and width of the stored frames.
        damage: why the decoder stopped before the end of the file, in its words.
    """

    def __init__(
        self,
        path: Path,
        timestamps: F64,
        info: VideoInfo,
        network_hw: tuple[int, int],
        *,
        damage: str | None = None,
    ) -> None:
        self._path, self.damage = path, damage
        self.timestamps, self.info, self.network_hw = timestamps, info, network_hw
        self._frames: np.memmap[tuple[int, ...], np.dtype[np.uint8]] | None = np.memmap(
            path, np.uint8, "r", shape=(len(timestamps), *network_hw, 3)
        )

    def __len__(self) -> int:
        return len(self.timestamps)

    @property
    def frame_hw(self) -> tuple[int, int]:
        """Height and width of the original frames, rotation applied."""
        return (self.info.height, self.info.width)

    @property
    def indices(self) -> range:
        """Of every frame here its index in the video; see `Footage`."""
        return range(len(self))

    async def ready(self) -> None:
        """The frames are there; see `Footage`."""

    def frame(self, index: int) -> U8:
        """Frame `index`, (h, w, 3) uint8 RGB of `network_hw`.

        Raises:
            ValueError: the clip is closed.
        """
        if self._frames is None:
            raise ValueError("clip: it is closed")
        return np.asarray(self._frames[index])

    def close(self) -> None:
        """Give the disk space back."""
        self._frames = None
        self._path.unlink(missing_ok=True)

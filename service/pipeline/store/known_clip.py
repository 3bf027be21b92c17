"""A video that was processed before: its stored facts, with frames decoded only when needed."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import numpy as np

from service.media.frames.clip import Clip
from service.media.frames.frame_source import FrameSource
from service.media.video_info import VideoInfo
from service.pipeline.store.codec import readable
from service.structures.arrays import F64, U8


@dataclass(frozen=True, slots=True, eq=False)
class ClipFacts:
    """Facts determined by decoding a video, without the frames.

    Attributes:
        probed: result of the probe.
        timestamps: (T,) seconds.
        damage: the decoder's message if it stopped before the end of the file, and after which frame.
    """

    probed: VideoInfo
    timestamps: F64
    damage: str | None

    def pack(self) -> bytes:
        """Encode to bytes; times are preserved exactly."""
        times = self.timestamps.tolist()
        return json.dumps({"probed": self.probed.to_json(), "timestamps": times, "damage": self.damage}).encode()

    @classmethod
    def unpack(cls, data: bytes) -> "ClipFacts":
        """The inverse of `pack`.

        Raises:
            ValueError: the bytes are invalid or damaged.
        """
        with readable("clip facts"):
            document = json.loads(data)
            probed, times = VideoInfo.from_json(document["probed"]), document["timestamps"]
            return cls(probed, np.array(times, np.float64), document["damage"])


def facts_of(clip: FrameSource, probed: VideoInfo) -> ClipFacts:
    """The facts of a decoded clip."""
    return ClipFacts(probed, clip.timestamps, clip.damage)


class KnownClip:
    """A clip that is not decoded yet; see `FrameSource`.

    Args:
        facts: of an earlier run.
        network_hw: height and width of the frames.
        decode: decodes the clip.
    """

    def __init__(self, facts: ClipFacts, network_hw: tuple[int, int], decode: Callable[[], Awaitable[Clip]]) -> None:
        self.timestamps, self.damage, self.network_hw = facts.timestamps, facts.damage, network_hw
        self.info = replace(facts.probed, frames=len(facts.timestamps))
        self._decode = decode
        self._clip: Clip | None = None

    def __len__(self) -> int:
        return len(self.timestamps)

    @property
    def frame_hw(self) -> tuple[int, int]:
        """Height and width of the original frames, rotation applied."""
        return (self.info.height, self.info.width)

    @property
    def indices(self) -> range:
        """Indices of the frames in the video."""
        return range(len(self))

    async def ready(self) -> None:
        """Decode, unless done already."""
        if self._clip is None:
            self._clip = await self._decode()

    def frame(self, index: int) -> U8:
        """Frame `index`, (h, w, 3) uint8 RGB of `network_hw`.

        Raises:
            ValueError: the clip is not decoded yet.
        """
        if self._clip is None:
            raise ValueError("clip: frames not decoded yet; call `ready` first")
        return self._clip.frame(index)

    def close(self) -> None:
        """Free the disk space."""
        if self._clip is not None:
            self._clip.close()

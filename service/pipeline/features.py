"""The shared features of the frames, f4 and f8, kept within a byte budget."""

import copy
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.media.footage import Footage
from service.pipeline.frames import features_batch, network_batch
from service.pipeline.networks import Networks
from service.structures.arrays import F32
from service.structures.canvas import Canvas

F16 = NDArray[np.float16]


@dataclass(frozen=True, slots=True, eq=False)
class FrameFeatures:
    """Features of one frame: f4 (1, C4, H/4, W/4) and f8 (1, C8, H/8, W/8), float32."""

    f4: F32
    f8: F32


@dataclass
class _Kept:
    """Features by frame and their bytes, the least recently used first."""

    frames: OrderedDict[int, tuple[F16, F16]] = field(default_factory=OrderedDict)
    bytes: int = 0


class FeatureCache:
    """Features by frame; the least recently used ones go first and are computed again when needed.

    They are kept as float16. What comes out has always passed through float16, kept or not, so that a result
    does not depend on the budget.

    Args:
        clip: where frames are read again.
        canvas: their sizes.
        networks: the graphs that compute features.
        max_bytes: budget.
    """

    def __init__(self, clip: Footage, canvas: Canvas, networks: Networks, *, max_bytes: int) -> None:
        self._clip, self._canvas, self._networks = clip, canvas, networks
        self._max_bytes = max_bytes
        self._kept = _Kept()
        self.first = 0  # the frame that counts as number 0 here

    def later(self, first: int) -> "FeatureCache":
        """The same features for a part of the clip that begins with frame `first` and counts from 0."""
        part = copy.copy(self)
        part.first = self.first + first
        return part

    def put(self, frame: int, f4: F32, f8: F32) -> None:
        """Keep the features of one frame, (C, h, w) each."""
        halves, kept = (f4.astype(np.float16), f8.astype(np.float16)), self._kept
        kept.frames[self.first + frame] = halves
        kept.bytes += sum(half.nbytes for half in halves)
        while kept.bytes > self._max_bytes and len(kept.frames) > 1:
            _, dropped = kept.frames.popitem(last=False)
            kept.bytes -= sum(half.nbytes for half in dropped)

    async def get(self, frame: int) -> FrameFeatures:
        """The features of one frame, computed if they are not kept."""
        kept, index = self._kept.frames, self.first + frame
        if index not in kept:
            outputs = await self._compute(index)
            self.put(frame, outputs.f4[0], outputs.f8[0])
        kept.move_to_end(index)
        f4, f8 = kept[index]
        return FrameFeatures(f4[None].astype(np.float32), f8[None].astype(np.float32))

    async def _compute(self, index: int) -> FrameFeatures:
        await self._clip.ready()
        frames = [self._clip.frame(index)]
        if self._networks.manifest.dims.shared_trunk:
            outputs = await self._networks.run("mask_rcnn", features_batch(frames, self._canvas))
        else:
            outputs = await self._networks.run("pixel_features", network_batch(frames, self._canvas))
        return FrameFeatures(outputs["f4"], outputs["f8"])

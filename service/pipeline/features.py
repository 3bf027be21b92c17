"""The shared features of the frames, f4 and f8, kept within a byte budget."""

from collections import OrderedDict
from dataclasses import dataclass

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
        self._bytes = 0
        self._kept: OrderedDict[int, tuple[F16, F16]] = OrderedDict()

    def put(self, frame: int, f4: F32, f8: F32) -> None:
        """Keep the features of one frame, (C, h, w) each."""
        halves = (f4.astype(np.float16), f8.astype(np.float16))
        self._kept[frame] = halves
        self._bytes += sum(half.nbytes for half in halves)
        while self._bytes > self._max_bytes and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= sum(half.nbytes for half in dropped)

    async def get(self, frame: int) -> FrameFeatures:
        """The features of one frame, computed if they are not kept."""
        if frame not in self._kept:
            outputs = await self._compute(frame)
            self.put(frame, outputs.f4[0], outputs.f8[0])
        self._kept.move_to_end(frame)
        f4, f8 = self._kept[frame]
        return FrameFeatures(f4[None].astype(np.float32), f8[None].astype(np.float32))

    async def _compute(self, frame: int) -> FrameFeatures:
        frames = [self._clip.frame(frame)]
        if self._networks.manifest.dims.shared_trunk:
            outputs = await self._networks.run("mask_rcnn", features_batch(frames, self._canvas))
        else:
            outputs = await self._networks.run("pixel_features", network_batch(frames, self._canvas))
        return FrameFeatures(outputs["f4"], outputs["f8"])

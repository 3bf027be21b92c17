"""The shared features of frames, f4 and f8, cached within byte budgets."""

import copy
from dataclasses import dataclass

from service.media.frames.frame_source import FrameSource
from service.pipeline.features.batches import features_batch, network_batch
from service.pipeline.features.half import to_half, to_single
from service.pipeline.features.kept import FeatureSpill, Halves, KeptFeatures
from service.pipeline.networks import Networks
from service.structures.arrays import F32
from service.structures.canvas import Canvas


@dataclass(frozen=True, slots=True, eq=False)
class FrameFeatures:
    """Features of one frame: f4 (1, C4, H/4, W/4) and f8 (1, C8, H/8, W/8), float32."""

    f4: F32
    f8: F32


class FeatureCache:
    """Features by frame; those that are not cached are computed again when needed.

    They are stored as float16, and always converted through float16, cached or not, so that results do not depend on
    the budgets.

    Args:
        clip: source of the frames.
        canvas: sizes.
        networks: the graphs that compute features.
        max_bytes: memory budget; may be 0.
        spill: disk storage for further features.
    """

    def __init__(
        self,
        clip: FrameSource,
        canvas: Canvas,
        networks: Networks,
        *,
        max_bytes: int,
        spill: FeatureSpill | None = None,
    ) -> None:
        self._clip, self._canvas, self._networks = clip, canvas, networks
        self._kept = KeptFeatures(max_bytes, spill)
        self.first = 0  # index in the clip of this object's frame 0

    def later(self, first: int) -> "FeatureCache":
        """The same features for the part of the clip from frame `first` on, with indices from 0."""
        part = copy.copy(self)
        part.first = self.first + first
        return part

    def put(self, frame: int, f4: F32, f8: F32) -> Halves:
        """Cache the features of one frame, (C, h, w) each; returns them in stored form."""
        halves = (to_half(f4), to_half(f8))
        self._kept.put(self.first + frame, halves)
        return halves

    async def get(self, frame: int) -> FrameFeatures:
        """The features of one frame, computed if they are not cached."""
        index = self.first + frame
        halves = self._kept.get(index)
        if halves is None:
            outputs = await self._compute(index)
            halves = self.put(frame, outputs.f4[0], outputs.f8[0])
        f4, f8 = halves
        return FrameFeatures(to_single(f4)[None], to_single(f8)[None])

    async def _compute(self, index: int) -> FrameFeatures:
        await self._clip.ready()
        frames = [self._clip.frame(index)]
        if self._networks.manifest.dims.shared_trunk:
            outputs = await self._networks.run("mask_rcnn", features_batch(frames, self._canvas))
        else:
            outputs = await self._networks.run("pixel_features", network_batch(frames, self._canvas))
        return FrameFeatures(outputs["f4"], outputs["f8"])

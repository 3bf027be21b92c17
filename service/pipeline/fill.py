"""Stage `fill`: in a clip with a high frame rate only every k-th frame is tracked; this fills in the others."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from service.media.frames.frame_source import FrameSource
from service.structures.arrays import U8
from service.structures.canvas import Canvas
from service.structures.tubelets import LabeledTubelet, Tubelet
from service.tracking.chunks import Chunk
from service.tracking.flow_interpolation import Carrier
from service.tracking.gap_filling import Filling
from service.tracking.params import FusionParams
from service.tracking.stitching import Chain


def spread(chunk: Chunk, step: int, length: int) -> Chunk:
    """A chunk over every `step`-th frame -> the corresponding chunk of the video of `length` frames."""
    return Chunk(chunk.first * step, min(chunk.end * step, length), chunk.shared * step)


class FillStage:
    """Stage `fill` of one video: tubelets of the tracked frames become tubelets of all frames.

    It works on the settled parts of chains, which the next chunk can't change. A frame is thus read again soon after it
    was tracked, and data kept between chunks is packed.

    Args:
        clip: all frames.
        step: every `step`-th frame is tracked; 1 leaves nothing to do.
        canvas: sizes.
        params: as for the masks of the tracked frames.
        report: called with the number of frames filled so far.
    """

    def __init__(
        self, clip: FrameSource, step: int, canvas: Canvas, params: FusionParams, report: Callable[[int], None]
    ) -> None:
        self._clip, self._params, self._report = clip, params, report
        self._tracked = range(0, len(clip), step)
        self._carrier, self._lumas = Carrier(canvas), _Lumas(clip)
        self._fillings: dict[int, Filling] = {}
        self._done = 0

    async def fill_settled(self, live: Sequence[Chain], ended: Sequence[LabeledTubelet]) -> list[LabeledTubelet]:
        """Fill what is settled after a chunk was stitched.

        Args:
            live: all chains that continue.
            ended: tubelets of the chains that have ended and are kept, over the tracked frames.

        Returns:
            The ended tubelets, over all frames.
        """
        if self._tracked.step == 1:
            return list(ended)
        # a chain that has ended and was left out is in neither; what was filled of it goes
        known = {chain.id for chain in live} | {item.id for item in ended}
        self._fillings = {chain: filling for chain, filling in self._fillings.items() if chain in known}
        work = [self._take(chain.id, chain.before[-1], over=False) for chain in live if chain.before]
        work += [self._take(item.id, item.tubelet, over=True) for item in ended]
        work = [(filling, frames) for filling, frames in work if frames]
        if work:
            await self._clip.ready()
            self._fill(work)
        return [replace(item, tubelet=self._fillings.pop(item.id).tubelet(item.tubelet)) for item in ended]

    def _take(self, chain: int, tubelet: Tubelet, *, over: bool) -> tuple[Filling, range]:
        """The filling of a chain, and the newly settled frames."""
        if chain not in self._fillings:
            self._fillings[chain] = Filling(tubelet, self._tracked, len(self._clip), self._carrier, self._params)
        return self._fillings[chain], self._fillings[chain].take(tubelet, over=over)

    def _fill(self, work: Sequence[tuple[Filling, range]]) -> None:
        """Fill all chains frame by frame, so that every frame is read once."""
        waiting = sorted(work, key=lambda each: each[1].start, reverse=True)
        live: list[tuple[Filling, range]] = []
        for t in range(waiting[-1][1].start, max(frames.stop for _, frames in work)):
            while waiting and waiting[-1][1].start <= t:
                live.append(waiting.pop())
            live = [(filling, frames) for filling, frames in live if t < frames.stop]
            if t in self._tracked:
                continue
            for filling, _ in live:
                filling.fill(t, self._lumas.of)
            # continuing chains are not filled as far as ended ones, so the next chunk begins further back
            self._done = max(self._done, t + 1)
            self._report(self._done)


class _Lumas:
    """Brightness of frames; the last three are cached, because filling one frame needs three."""

    def __init__(self, clip: FrameSource) -> None:
        self._clip = clip
        self._kept: OrderedDict[int, U8] = OrderedDict()

    def of(self, t: int) -> U8:
        """(h, w) of frame `t`, network px."""
        if t not in self._kept:
            self._kept[t] = np.asarray(cv2.cvtColor(self._clip.frame(t), cv2.COLOR_RGB2GRAY), np.uint8)
            while len(self._kept) > 3:
                self._kept.popitem(last=False)
        self._kept.move_to_end(t)
        return self._kept[t]

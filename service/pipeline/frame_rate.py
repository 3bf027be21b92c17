"""Clips of many frames per second: every k-th frame goes through the stages, those between are filled in."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from service.media.frame_source import FrameSource, FrameSubset
from service.pipeline.run import Run, StageProgress, VideoResult, process_video
from service.structures.arrays import U8
from service.structures.tubelets import LabelledTubelet
from service.tracking.chunks import Chunk
from service.tracking.flow_interpolation import Carrier
from service.tracking.gap_filling import Filling, tracked_step


async def process_at_rate(run: Run) -> VideoResult:
    """`process_video` on the frames that are tracked, and the other frames filled in."""
    tracked = thinned(run)
    result = await process_video(tracked)
    if tracked is run:
        return result
    # of a known video no frame may have been wanted yet
    await run.clip.ready()
    places, length = tracked.clip.indices, len(run.clip)
    notes = [replace(note, chunk=spread(note.chunk, places.step, length)) for note in result.chunks]
    return VideoResult(fill_in(result.tubelets, tracked, run), notes)


def spread(chunk: Chunk, step: int, length: int) -> Chunk:
    """A chunk of every `step`-th frame -> the frames of the video, `length` in all, that it stands for."""
    return Chunk(chunk.first * step, min(chunk.end * step, length), chunk.shared * step)


def thinned(run: Run) -> Run:
    """The run over the frames that are tracked; itself if those are all.

    They are evenly spaced, as trackers expect; so the last frame of the clip may be none of them.
    """
    step = step_of(run)
    if step == 1:
        return run
    clip = FrameSubset(run.clip, range(0, len(run.clip), step))
    return replace(run, clip=clip, video=f"{run.video}:every{step}", params=replace(run.params, track_fps=0.0))


def step_of(run: Run) -> int:
    """Every how many frames of the run's clip one is tracked."""
    return tracked_step(run.clip.info.fps, run.params.track_fps)


def fill_in(labelled: Sequence[LabelledTubelet], tracked: Run, run: Run) -> list[LabelledTubelet]:
    """Tubelets of the tracked frames -> tubelets of all frames, in their order.

    Args:
        labelled: of `tracked`.
        tracked: what `thinned` made of `run`.
        run: the whole clip.
    """
    length, places = len(run.clip), tracked.clip.indices
    carrier = Carrier(run.canvas)
    fusion = run.params.tracker.fusion
    fillings = [Filling(item.tubelet, places, length, carrier, fusion) for item in labelled]
    lumas = _Lumas(run.clip)
    waiting = sorted(fillings, key=lambda filling: filling.frames.start, reverse=True)
    live: list[Filling] = []
    for t in range(length):
        while waiting and waiting[-1].frames.start <= t:
            live.append(waiting.pop())
        live = [filling for filling in live if t < filling.frames.stop]
        if t in places:
            continue
        for filling in live:
            filling.fill(t, lumas.of)
        run.report(StageProgress("merge", t + 1, length))
    return [replace(item, tubelet=filling.tubelet()) for item, filling in zip(labelled, fillings, strict=True)]


class _Lumas:
    """Brightness of frames; the last few that were asked for are kept, one frame between needs three."""

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

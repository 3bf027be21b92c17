"""Extends a tubelet over every k-th frame to all frames, incrementally.

The gap between two tracked frames depends on these two and on one more on either side. Tracked frames up to some frame
therefore settle the gaps up to two tracked frames before it, and the end of the tubelet settles the rest.
See docs/method.md, section 9.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from service.structures.arrays import F32, U8
from service.structures.masks import Rle, area, encode
from service.structures.packed_masks import PackedMasks
from service.structures.tubelets import Tubelet, joined
from service.tracking.flow_interpolation import Carrier, WindowView
from service.tracking.fusion import fill_box
from service.tracking.params import FusionParams

Luma = Callable[[int], U8]
"""Index of a frame -> its brightness, (h, w) uint8, network px."""


def tracked_step(fps: float, track_fps: float) -> int:
    """Interval of tracked frames for about `track_fps` of `fps` frames per second; 1 if either is 0."""
    return max(1, round(fps / track_fps)) if track_fps > 0 else 1


class Filling:
    """Fills one growing tubelet, gap by gap in order.

    Between two masks, the mask is propagated from both sides. If only one neighbor has a mask, the object appeared or
    disappeared in between, and the frames closer to that neighbor get a mask. After the last tracked frame all get one.
    Boxes and scores are interpolated linearly; with one neighbor only, the box continues its previous motion.

    Args:
        tubelet: over the tracked frames, the part settled so far.
        tracked: indices of the tracked frames in the video.
        length: number of frames of the video.
        carrier: of the video.
        params: as for the masks of the tracked frames.
    """

    def __init__(self, tubelet: Tubelet, tracked: range, length: int, carrier: Carrier, params: FusionParams) -> None:
        self._tubelet, self._tracked, self._carrier, self._params = tubelet, tracked, carrier, params
        self._length = length
        # a gap is numbered by the tracked frame before it; this is the first unsettled one
        self._gap = max(tubelet.start - 1, 0)
        begin = self._frame(self._gap) + 1 if tubelet.start else 0
        self._frames = range(begin, begin)
        self._masks: list[Rle | None] = []
        self._filled: list[Tubelet] = []
        self._looks: dict[int, WindowView] = {}

    def take(self, tubelet: Tubelet, *, over: bool) -> range:
        """Add tracked frames; returns the newly settled frames, of which untracked ones need `fill`.

        Args:
            tubelet: over the tracked frames; must begin no later than right after the known ones.
            over: whether the tubelet is complete.
        """
        first, end = max(self._gap - 1, self._tubelet.start), self._tubelet.end
        self._tubelet = joined([self._tubelet.part(first, end), tubelet.part(end, tubelet.end)])
        self._gap = self._tubelet.end if over else max(self._tubelet.end - 2, self._gap)
        stop = min(self._frame(self._gap), self._length) if over else self._frame(self._gap) + 1
        self._begin(range(self._frames.stop, stop))
        return self._frames

    def fill(self, t: int, luma: Luma) -> None:
        """Fill frame `t` of the video, which is not tracked."""
        place, since = divmod(t - self._tracked.start, self._tracked.step)
        share = since / self._tracked.step
        before, after = self._known(place), self._known(place + 1)
        if before and after:
            self._between(t, place, share, luma)
        elif before and (share <= 0.5 or place + 1 == len(self._tracked)):
            self._beyond(t, place, share * self._motion(place - 1, place), luma)
        elif after and share >= 0.5:
            self._beyond(t, place + 1, (1 - share) * self._motion(place + 2, place + 1), luma)

    def tubelet(self, tracked: Tubelet) -> Tubelet:
        """The tubelet over all frames, once it is complete.

        Args:
            tracked: the complete tubelet over the tracked frames.
        """
        filled = joined(self._filled)
        masks, boxes, scores = list(filled.masks), filled.boxes.copy(), filled.scores.copy()
        # the tubelet ends before the next tracked frame
        own = slice(self._frame(tracked.start) - filled.start, None, self._tracked.step)
        masks[own], boxes[own], scores[own] = tracked.masks, tracked.boxes, tracked.scores
        seed = replace(tracked.seed, frame=self._frame(tracked.seed.frame))
        confidence = self._confidence(tracked, range(filled.start, filled.end))
        return Tubelet(seed, PackedMasks(masks), boxes, scores, filled.start, confidence=confidence)

    def _confidence(self, tracked: Tubelet, frames: range) -> F32:
        """The lower confidence of the two tracked frames beside each frame."""
        places = (np.arange(frames.start, frames.stop) - self._tracked.start) / self._tracked.step - tracked.start
        last = len(tracked.confidence) - 1
        sides = (np.clip(side, 0, last).astype(np.int64) for side in (np.floor(places), np.ceil(places)))
        before, after = (tracked.confidence[side] for side in sides)
        return np.minimum(before, after)

    def _frame(self, place: int) -> int:
        """Index in the video, which may be beyond its end."""
        return self._tracked.start + place * self._tracked.step

    def _known(self, place: int) -> bool:
        mask = self._tubelet.mask_at(place)
        return mask is not None and area(mask) > 0

    def _begin(self, frames: range) -> None:
        """Begin a new, empty piece; the previous one is final."""
        if self._filled:
            self._filled[-1] = replace(self._filled[-1], masks=PackedMasks(self._masks))
        self._frames, self._masks = frames, [None] * len(frames)
        boxes, scores = np.zeros((len(frames), 4), np.float32), np.zeros(len(frames), np.float32)
        self._filled.append(Tubelet(self._tubelet.seed, self._masks, boxes, scores, frames.start))

    def _between(self, t: int, place: int, share: float, luma: Luma) -> None:
        pair = slice(place - self._tubelet.start, place - self._tubelet.start + 2)
        weights = np.array([1 - share, share], np.float32)
        box, score = weights @ self._tubelet.boxes[pair], float(weights @ self._tubelet.scores[pair])
        if self._params.kind == "instance":
            mask = encode(fill_box(box, self._carrier.frame_hw))
        else:
            mask = self._carrier.between(self._look(place, luma), self._look(place + 1, luma), luma(t), share)
        self._put(t, mask, box, score)

    def _beyond(self, t: int, place: int, moved: F32, luma: Luma) -> None:
        own = place - self._tubelet.start
        box, score = self._tubelet.boxes[own] + moved, float(self._tubelet.scores[own])
        if self._params.kind == "instance":
            mask = encode(fill_box(box, self._carrier.frame_hw))
        else:
            mask = self._carrier.beyond(self._look(place, luma), luma(t), moved)
        self._put(t, mask, box, score)

    def _motion(self, start: int, end: int) -> F32:
        """Motion of the box's center between two tracked frames, (4,); 0 if it is absent in one."""
        if not (self._known(start) and self._known(end)):
            return np.zeros(4, np.float32)
        first = self._tubelet.start
        moved = self._tubelet.boxes[end - first] - self._tubelet.boxes[start - first]
        return np.tile((moved[:2] + moved[2:]) / 2, 2).astype(np.float32)

    def _look(self, place: int, luma: Luma) -> WindowView:
        if place not in self._looks:
            mask = self._tubelet.mask_at(place)
            assert mask is not None
            # a gap needs two of them, the next gap the second one again
            self._looks = {kept: look for kept, look in self._looks.items() if kept >= place - 1}
            self._looks[place] = self._carrier.look(mask, luma(self._tracked[place]))
        return self._looks[place]

    def _put(self, t: int, mask: Rle, box: F32, score: float) -> None:
        if area(mask) >= max(self._params.min_area, 1):
            piece, own = self._filled[-1], t - self._frames.start
            self._masks[own], piece.boxes[own], piece.scores[own] = mask, box, score

"""A tubelet that knows every k-th frame becomes one that knows all of them, as far as it is settled.

The gap between two tracked frames depends on these two and on one more on either side. So what is known up to some
frame settles the gaps up to two tracked frames before it, and the end of the tubelet settles the others.
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
"""Frame of the video -> its brightness, (h, w) uint8, network px."""


def tracked_step(fps: float, track_fps: float) -> int:
    """Every how many frames one is tracked, so that about `track_fps` of `fps` a second are; 1 if either is 0."""
    return max(1, round(fps / track_fps)) if track_fps > 0 else 1


class Filling:
    """One tubelet under way: the frames between two tracked ones at a time, in order.

    Between two masks the object's is carried from either side. Where only one neighbor has a mask the object came or
    went in between: the frames nearer to that neighbor have one, too. After the last tracked frame all have one.
    Boxes and scores go in a straight line; from one neighbor alone the box goes on as it did before.

    Args:
        tubelet: of the tracked frames, what is settled of it first.
        tracked: their indices in the video.
        length: frames of the video.
        carrier: of the video.
        params: what the masks of the tracked frames were made with.
    """

    def __init__(self, tubelet: Tubelet, tracked: range, length: int, carrier: Carrier, params: FusionParams) -> None:
        self._tubelet, self._tracked, self._carrier, self._params = tubelet, tracked, carrier, params
        self._length = length
        # a gap is called by the tracked frame before it; this is the first that is not settled
        self._gap = max(tubelet.start - 1, 0)
        begin = self._frame(self._gap) + 1 if tubelet.start else 0
        self._frames = range(begin, begin)
        self._masks: list[Rle | None] = []
        self._filled: list[Tubelet] = []
        self._looks: dict[int, WindowView] = {}

    def take(self, tubelet: Tubelet, *, over: bool) -> range:
        """Take in more tracked frames; the frames of the video that are settled now, of which `fill` wants the others.

        Args:
            tubelet: of the tracked frames; it begins no later than behind those that are known.
            over: nothing comes after it.
        """
        first, end = max(self._gap - 1, self._tubelet.start), self._tubelet.end
        self._tubelet = joined([self._tubelet.part(first, end), tubelet.part(end, tubelet.end)])
        self._gap = self._tubelet.end if over else max(self._tubelet.end - 2, self._gap)
        stop = min(self._frame(self._gap), self._length) if over else self._frame(self._gap) + 1
        self._begin(range(self._frames.stop, stop))
        return self._frames

    def fill(self, t: int, luma: Luma) -> None:
        """Frame `t` of the video, which is not tracked."""
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
        """Of all frames, once it is over.

        Args:
            tracked: all that was taken in.
        """
        filled = joined(self._filled)
        masks, boxes, scores = list(filled.masks), filled.boxes.copy(), filled.scores.copy()
        first, last = (self._frame(place) - filled.start for place in (tracked.start, tracked.end - 1))
        own = slice(first, last + 1, self._tracked.step)
        masks[own], boxes[own], scores[own] = tracked.masks, tracked.boxes, tracked.scores
        seed = replace(tracked.seed, frame=self._frame(tracked.seed.frame))
        return Tubelet(seed, PackedMasks(masks), boxes, scores, filled.start)

    def _frame(self, place: int) -> int:
        """In the video; there need not be one."""
        return self._tracked.start + place * self._tracked.step

    def _known(self, place: int) -> bool:
        mask = self._tubelet.mask_at(place)
        return mask is not None and area(mask) > 0

    def _begin(self, frames: range) -> None:
        """A piece with nothing in it yet; what is in the one before stays as it is."""
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
        """What the box's middle moved by from one tracked frame to another, (4,); 0 if one does not know it."""
        if not (self._known(start) and self._known(end)):
            return np.zeros(4, np.float32)
        first = self._tubelet.start
        moved = self._tubelet.boxes[end - first] - self._tubelet.boxes[start - first]
        return np.tile((moved[:2] + moved[2:]) / 2, 2).astype(np.float32)

    def _look(self, place: int, luma: Luma) -> WindowView:
        if place not in self._looks:
            mask = self._tubelet.mask_at(place)
            assert mask is not None
            # one step needs two of them, the next one the second again
            self._looks = {kept: look for kept, look in self._looks.items() if kept >= place - 1}
            self._looks[place] = self._carrier.look(mask, luma(self._tracked[place]))
        return self._looks[place]

    def _put(self, t: int, mask: Rle, box: F32, score: float) -> None:
        if area(mask) >= max(self._params.min_area, 1):
            piece, own = self._filled[-1], t - self._frames.start
            self._masks[own], piece.boxes[own], piece.scores[own] = mask, box, score

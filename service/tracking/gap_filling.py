"""A tubelet that knows every k-th frame becomes one that knows all of them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from service.structures.arrays import F32, U8
from service.structures.masks import Rle, area, encode
from service.structures.tubelets import Tubelet
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

    `frames`: those of the video that may come to show it.

    Between two masks the object's is carried from either side. Where only one neighbour has a mask the object came or
    went in between: the frames nearer to that neighbour have one, too. Behind the last tracked frame all have.
    Boxes and scores go in a straight line; from one neighbour alone the box goes on as it did before.

    Args:
        tubelet: of the tracked frames.
        tracked: their indices in the video.
        length: frames of the video.
        carrier: of the video.
        params: what the masks of the tracked frames were made with.
    """

    def __init__(self, tubelet: Tubelet, tracked: range, length: int, carrier: Carrier, params: FusionParams) -> None:
        self._tubelet, self._tracked, self._carrier, self._params = tubelet, tracked, carrier, params
        first, behind = tubelet.start, tubelet.start + len(tubelet.masks)
        # the tubelet's own places, and the frames between them and those on either side
        own = range(tracked[first], tracked[behind - 1] + 1, tracked.step)
        start = own.start - tracked.step + 1 if first else 0
        self.frames = range(start, own.stop + tracked.step - 1 if behind < len(tracked) else length)
        self._masks: list[Rle | None] = [None] * len(self.frames)
        self._boxes = np.zeros((len(self.frames), 4), np.float32)
        self._scores = np.zeros(len(self.frames), np.float32)
        self._looks: dict[int, WindowView] = {}
        for place, t in enumerate(own):
            self._masks[t - start] = tubelet.masks[place]
        there = slice(own.start - start, own.stop - start, own.step)
        self._boxes[there], self._scores[there] = tubelet.boxes, tubelet.scores

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

    def tubelet(self) -> Tubelet:
        """Of all frames."""
        seed = replace(self._tubelet.seed, frame=self._tracked[self._tubelet.seed.frame])
        return Tubelet(seed, tuple(self._masks), self._boxes, self._scores, self.frames.start)

    def _known(self, place: int) -> bool:
        mask = self._tubelet.mask_at(place)
        return mask is not None and area(mask) > 0

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
            own = t - self.frames.start
            self._masks[own], self._boxes[own], self._scores[own] = mask, box, score

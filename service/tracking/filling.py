"""A tubelet that knows every k-th frame becomes one that knows all of them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from service.structures.arrays import F32, U8
from service.structures.masks import Rle, area, encode
from service.structures.tubelets import Tubelet
from service.tracking.between import Carrier, Look
from service.tracking.fusion import fill_box
from service.tracking.params import FusionParams

Luma = Callable[[int], U8]
"""Frame of the video -> its brightness, (h, w) uint8, network px."""


def tracked_step(fps: float, track_fps: float) -> int:
    """Every how many frames one is tracked, so that about `track_fps` of `fps` a second are; 1 if either is 0."""
    return max(1, round(fps / track_fps)) if track_fps > 0 else 1


class Filling:
    """One tubelet under way: the frames between two tracked ones at a time, in order.

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
        self._masks: list[Rle | None] = [None] * length
        self._boxes, self._scores = np.zeros((length, 4), np.float32), np.zeros(length, np.float32)
        self._looks: dict[int, Look] = {}
        for place, t in enumerate(tracked):
            self._masks[t] = tubelet.masks[place]
        self._boxes[tracked.start : tracked.stop : tracked.step] = tubelet.boxes
        self._scores[tracked.start : tracked.stop : tracked.step] = tubelet.scores

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
        return Tubelet(seed, tuple(self._masks), self._boxes, self._scores)

    def _known(self, place: int) -> bool:
        if not 0 <= place < len(self._tracked):
            return False
        mask = self._tubelet.masks[place]
        return mask is not None and area(mask) > 0

    def _between(self, t: int, place: int, share: float, luma: Luma) -> None:
        pair = slice(place, place + 2)
        weights = np.array([1 - share, share], np.float32)
        box, score = weights @ self._tubelet.boxes[pair], float(weights @ self._tubelet.scores[pair])
        if self._params.kind == "instance":
            mask = encode(fill_box(box, self._carrier.frame_hw))
        else:
            mask = self._carrier.between(self._look(place, luma), self._look(place + 1, luma), luma(t), share)
        self._put(t, mask, box, score)

    def _beyond(self, t: int, place: int, moved: F32, luma: Luma) -> None:
        box, score = self._tubelet.boxes[place] + moved, float(self._tubelet.scores[place])
        if self._params.kind == "instance":
            mask = encode(fill_box(box, self._carrier.frame_hw))
        else:
            mask = self._carrier.beyond(self._look(place, luma), luma(t), moved)
        self._put(t, mask, box, score)

    def _motion(self, start: int, end: int) -> F32:
        """What the box's middle moved by from one tracked frame to another, (4,); 0 if one does not know it."""
        if not (self._known(start) and self._known(end)):
            return np.zeros(4, np.float32)
        moved = self._tubelet.boxes[end] - self._tubelet.boxes[start]
        return np.tile((moved[:2] + moved[2:]) / 2, 2).astype(np.float32)

    def _look(self, place: int, luma: Luma) -> Look:
        if place not in self._looks:
            mask = self._tubelet.masks[place]
            assert mask is not None
            # one step needs two of them, the next one the second again
            self._looks = {kept: look for kept, look in self._looks.items() if kept >= place - 1}
            self._looks[place] = self._carrier.look(mask, luma(self._tracked[place]))
        return self._looks[place]

    def _put(self, t: int, mask: Rle, box: F32, score: float) -> None:
        if area(mask) >= max(self._params.min_area, 1):
            self._masks[t], self._boxes[t], self._scores[t] = mask, box, score

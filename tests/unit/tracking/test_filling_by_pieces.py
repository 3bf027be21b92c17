"""Filled piece by piece, as chunks settle them, tubelets are what they are when each is filled at once.

`Whole` is how it was done at once: the reference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.structures.canvas import Canvas
from service.structures.detections import Candidate
from service.structures.masks import Rle, area, encode
from service.structures.packed_masks import PackedMasks
from service.structures.tubelets import Tubelet
from service.tracking.flow_interpolation import Carrier, WindowView
from service.tracking.fusion import fill_box
from service.tracking.gap_filling import Filling
from service.tracking.params import FusionParams

HW = (40, 60)
CARRIER = Carrier(Canvas(HW, HW))


def luma(t: int) -> np.ndarray:
    """Every frame has another texture, which drifts."""
    wall = np.random.default_rng(0).uniform(0, 255, (40, 120)).astype(np.float32)
    return np.ascontiguousarray(cv2.GaussianBlur(wall, (0, 0), 2)[:, t % 60 : t % 60 + 60]).astype(np.uint8)


class Whole:
    """The frames of one tubelet that is known from its start to its end."""

    def __init__(self, tubelet: Tubelet, tracked: range, length: int, params: FusionParams) -> None:
        self._tubelet, self._tracked, self._params = tubelet, tracked, params
        first, behind = tubelet.start, tubelet.start + len(tubelet.masks)
        own = range(tracked[first], tracked[behind - 1] + 1, tracked.step)
        start = own.start - tracked.step + 1 if first else 0
        self.frames = range(start, own.stop + tracked.step - 1 if behind < len(tracked) else length)
        self._masks: list[Rle | None] = [None] * len(self.frames)
        self._boxes = np.zeros((len(self.frames), 4), np.float32)
        self._scores = np.zeros(len(self.frames), np.float32)
        for place, t in enumerate(own):
            self._masks[t - start] = tubelet.masks[place]
        there = slice(own.start - start, own.stop - start, own.step)
        self._boxes[there], self._scores[there] = tubelet.boxes, tubelet.scores

    def tubelet(self) -> Tubelet:
        for t in self.frames:
            if t not in self._tracked:
                self._fill(t)
        seed = replace(self._tubelet.seed, frame=self._tracked[self._tubelet.seed.frame])
        return Tubelet(seed, tuple(self._masks), self._boxes, self._scores, self.frames.start)

    def _fill(self, t: int) -> None:
        place, since = divmod(t - self._tracked.start, self._tracked.step)
        share = since / self._tracked.step
        before, after = self._known(place), self._known(place + 1)
        if before and after:
            self._between(t, place, share)
        elif before and (share <= 0.5 or place + 1 == len(self._tracked)):
            self._beyond(t, place, share * self._motion(place - 1, place))
        elif after and share >= 0.5:
            self._beyond(t, place + 1, (1 - share) * self._motion(place + 2, place + 1))

    def _known(self, place: int) -> bool:
        mask = self._tubelet.mask_at(place)
        return mask is not None and area(mask) > 0

    def _between(self, t: int, place: int, share: float) -> None:
        pair = slice(place - self._tubelet.start, place - self._tubelet.start + 2)
        weights = np.array([1 - share, share], np.float32)
        box, score = weights @ self._tubelet.boxes[pair], float(weights @ self._tubelet.scores[pair])
        carried = lambda: CARRIER.between(self._look(place), self._look(place + 1), luma(t), share)  # noqa: E731
        self._put(t, carried, box, score)

    def _beyond(self, t: int, place: int, moved: np.ndarray) -> None:
        own = place - self._tubelet.start
        box, score = self._tubelet.boxes[own] + moved, float(self._tubelet.scores[own])
        self._put(t, lambda: CARRIER.beyond(self._look(place), luma(t), moved), box, score)

    def _motion(self, start: int, end: int) -> np.ndarray:
        if not (self._known(start) and self._known(end)):
            return np.zeros(4, np.float32)
        first = self._tubelet.start
        moved = self._tubelet.boxes[end - first] - self._tubelet.boxes[start - first]
        return np.tile((moved[:2] + moved[2:]) / 2, 2).astype(np.float32)

    def _look(self, place: int) -> WindowView:
        mask = self._tubelet.mask_at(place)
        assert mask is not None
        return CARRIER.look(mask, luma(self._tracked[place]))

    def _put(self, t: int, carried: Callable[[], Rle], box: np.ndarray, score: float) -> None:
        mask = encode(fill_box(box, HW)) if self._params.kind == "instance" else carried()
        if area(mask) >= max(self._params.min_area, 1):
            own = t - self.frames.start
            self._masks[own], self._boxes[own], self._scores[own] = mask, box, score


@dataclass(frozen=True)
class Video:
    """A tubelet of some tracked frames.

    Attributes:
        length: frames of the video.
        step: from one tracked frame to the next.
        tubelet: counts the tracked ones.
        borders: how far it is known after each chunk, by tracked frames, ascending; then it is over.
    """

    length: int
    step: int
    tubelet: Tubelet
    borders: tuple[int, ...]


def tubelet(boxes: Sequence[tuple[int, int, int, int] | None], start: int, seed: int) -> Tubelet:
    """Rectangles x, y, width, height, None where there is none; one without an extent is an empty mask."""
    masks: list[Rle | None] = []
    for each in boxes:
        image = np.zeros(HW, np.bool_)
        if each is not None:
            x, y, w, h = each
            image[y : y + h, x : x + w] = True
        masks.append(None if each is None else encode(image))
    corners = [
        (0, 0, 0, 0) if each is None else (each[0], each[1], each[0] + each[2], each[1] + each[3]) for each in boxes
    ]
    scores = [0.0 if each is None else 1 / (2 + place) for place, each in enumerate(boxes)]
    array = np.array(corners, np.float32)
    candidate = Candidate(
        start + seed, array[seed], np.ones(1, np.float32), masks[seed] or encode(np.ones(HW, np.bool_))
    )
    return Tubelet(candidate, tuple(masks), array, np.array(scores, np.float32), start)


@st.composite
def videos(draw: st.DrawFn) -> Video:
    step, places = draw(st.integers(2, 5)), draw(st.integers(1, 12))
    length = (places - 1) * step + draw(st.integers(1, step))
    start = draw(st.integers(0, places - 1))
    count = draw(st.integers(1, places - start))
    rectangle = st.tuples(st.integers(0, 45), st.integers(0, 28), st.integers(0, 14), st.integers(1, 11))
    boxes = draw(st.lists(st.none() | rectangle | rectangle | rectangle, min_size=count, max_size=count))
    borders = draw(st.sets(st.integers(start + 1, start + count)))
    return Video(length, step, tubelet(boxes, start, draw(st.integers(0, count - 1))), tuple(sorted(borders)))


def by_pieces(video: Video, params: FusionParams) -> Tubelet:
    whole, tracked = video.tubelet, range(0, video.length, video.step)
    known, filling = whole.start, None
    for end in (*video.borders, None):
        piece = whole if end is None else whole.part(known, end)
        piece = replace(piece, masks=PackedMasks(piece.masks))
        filling = filling or Filling(piece, tracked, video.length, CARRIER, params)
        for t in filling.take(piece, over=end is None):
            if t not in tracked:
                filling.fill(t, luma)
        known = end or known
    assert filling is not None
    return filling.tubelet(whole)


def entries(tubelet: Tubelet) -> dict[str, object]:
    return {
        "start": tubelet.start,
        "masks": list(tubelet.masks),
        "boxes": tubelet.boxes.tobytes(),
        "scores": tubelet.scores.tobytes(),
        "seed": tubelet.seed.frame,
    }


GONE = Video(24, 4, tubelet([(2, 5, 9, 9), (8, 5, 9, 9), (14, 5, 9, 9), (20, 5, 9, 9), None, None], 0, 0), (5,))
"""Moves on for a while after it was last seen: by what it moved before a border between two chunks."""


@settings(deadline=None, max_examples=150)
@example(GONE, FusionParams())
@given(videos(), st.sampled_from([FusionParams(), FusionParams(kind="instance"), FusionParams(min_area=60)]))
def test_pieces_are_filled_as_the_whole_is(video: Video, params: FusionParams) -> None:
    reference = Whole(video.tubelet, range(0, video.length, video.step), video.length, params)
    assert entries(by_pieces(video, params)) == entries(reference.tubelet())


@pytest.mark.parametrize(
    ("start", "known", "over", "frames"),
    [
        pytest.param(0, 1, False, range(1), id="one-frame-settles-itself"),
        pytest.param(0, 3, False, range(4), id="the-gap-before-the-last-one-that-is-known"),
        pytest.param(0, 6, False, range(13), id="all-gaps-but-the-last"),
        pytest.param(2, 1, False, range(4, 4), id="what-comes-before-depends-on-its-second-frame"),
        pytest.param(2, 2, False, range(4, 7), id="before-the-first-one"),
        pytest.param(0, 3, True, range(9), id="over-in-the-middle"),
        pytest.param(4, 2, True, range(10, 17), id="over-at-the-end-of-the-video"),
    ],
)
def test_what_is_settled(start: int, known: int, over: bool, frames: range) -> None:
    """Of 6 tracked frames, every third of 17."""
    found = tubelet([(1, 1, 9, 9)] * known, start, 0)
    filling = Filling(found, range(0, 17, 3), 17, CARRIER, FusionParams())
    assert filling.take(found, over=over) == frames

"""Shot changes by PySceneDetect's `AdaptiveDetector`: frames that differ more from the one before than others do.

It compares mean differences of hue, saturation and brightness with those of the two frames on either side, so that a
moving camera is no cut. A flash, a black or a broken frame would be two cuts: frames after which the picture is what
it was are taken out before (`_Steady`). A cut is content that stays different.
"""

from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np
from scenedetect.common import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from service.media.frames.frame_source import FrameSource
from service.structures.arrays import U8

SURE, POSSIBLE = 3.0, 2.5
"""Ratios of a frame's difference to its neighbors'. The library's own is enough for a cut; from the lower one on the
shots on either side must be apart. A cut that is missed costs little, one that is none ends every tubelet."""
APART = 1.65
"""Least difference of frames close to either side of a cut, in terms of the greatest within a side: 1.72 and more at
the cuts that this finds, 1.58 where a cockatoo turns its head close to the camera (decision record 13)."""
THUMBNAIL_WH = (160, 96)
AHEAD = 2
"""Frames after a cut that the detector wants to see; it finds none in the last two frames of a video."""
MOST_ODD = 3
"""Odd frames in a row; more of them are a shot."""
RETURNED = 0.5
"""Of the difference between odd frames and their neighbors, up to which the neighbors show the same: at 51 real cuts
any two frames close to either side differ by 0.93 of the cut's own difference at least (decision record 13)."""
LEAST = 15.0
"""Difference below which the detector sees no cut anyhow."""


class ShotChanges:
    """Looks for shot changes, each frame once and in order, and no further than it is asked to.

    Args:
        clip: where frames are read.
        known: all changes, if an earlier look found them: then no frame is read.
    """

    def __init__(self, clip: FrameSource, known: Sequence[int] | None = None) -> None:
        self._clip, self._steady = clip, _Steady(clip)
        self._sure, self._possible = _detector(SURE), _detector(POSSIBLE)
        self._recent: deque[_Thumbnail] = deque(maxlen=2 * (AHEAD + 1))
        self._found: list[int] = [] if known is None else list(known)
        self._seen = 0 if known is None else len(clip)
        self.needs_frames = known is None

    @property
    def found(self) -> tuple[int, ...]:
        """First frames of the shots found so far, but for the very first."""
        return tuple(self._found)

    def next_change(self, after: int, upto: int) -> int | None:
        """The first frame of a shot in after + 1 … upto, if one begins there."""
        while self._seen < min(upto + AHEAD + 1, len(self._clip)):
            cut = self._look(self._steady.next())
            # an odd frame right at a cut is two of them
            if cut is not None and (not self._found or cut - self._found[-1] > MOST_ODD):
                self._found.append(cut)
            self._seen += 1
        return next((cut for cut in self._found if after < cut <= upto), None)

    def _look(self, frame: "_Thumbnail") -> int | None:
        """Take in the next frame; the cut that is seen now, `AHEAD` frames after it."""
        self._recent.append(frame)
        # its clock is of no use here, it counts frames
        now = FrameTimecode(self._seen, 25.0)
        sure = self._sure.process_frame(now, frame.bgr)
        possible = self._possible.process_frame(now, frame.bgr)
        return self._seen - AHEAD if sure or (possible and self._are_apart()) else None

    def _are_apart(self) -> bool:
        """Whether the frames before and after the cut belong together rather than with those of the other side."""
        *before, last, first, second, third = self._recent
        sides = ((last, before), (first, [second, third]))
        within = max(edge.difference(other) for edge, others in sides for other in others)
        across = (early.difference(late) for early in (*before, last) for late in (first, second, third))
        return min(across) >= APART * within


def _detector(ratio: float) -> AdaptiveDetector:
    return AdaptiveDetector(adaptive_threshold=ratio, min_scene_len=1, window_width=AHEAD)


class _Steady:
    """The thumbnails of a clip, in order; in place of odd frames the last one that is none.

    Args:
        clip: where frames are read, up to `MOST_ODD` ahead of the one that is given out.
    """

    def __init__(self, clip: FrameSource) -> None:
        self._clip = clip
        self._ahead: deque[_Thumbnail] = deque()
        self._read = self._odd = 0
        self._last: _Thumbnail | None = None

    def next(self) -> "_Thumbnail":
        """The next one."""
        while self._read < len(self._clip) and len(self._ahead) <= MOST_ODD:
            self._ahead.append(_Thumbnail(self._clip.frame(self._read)))
            self._read += 1
        self._odd = self._odd or self._odd_frames()
        seen = self._ahead.popleft()
        if self._odd and self._last is not None:
            self._odd -= 1
            return self._last
        self._last = seen
        return seen

    def _odd_frames(self) -> int:
        """How many frames from the next on are odd: after them the picture is again what it was before."""
        if self._last is None or (away := self._last.difference(self._ahead[0])) < LEAST:
            return 0
        for odd in range(1, len(self._ahead)):
            after = self._ahead[odd]
            away = min(away, self._last.difference(self._ahead[odd - 1]))
            back = self._ahead[odd - 1].difference(after)
            if self._last.difference(after) < RETURNED * min(away, back):
                return odd
        return 0


class _Thumbnail:
    """A frame, small, BGR, and its hue, saturation and brightness, which are compared."""

    def __init__(self, image: U8) -> None:
        small = cv2.resize(image, THUMBNAIL_WH, interpolation=cv2.INTER_AREA)
        self.bgr: U8 = np.ascontiguousarray(small[..., ::-1], np.uint8)
        self.hsv = cv2.cvtColor(self.bgr, cv2.COLOR_BGR2HSV)

    def difference(self, other: "_Thumbnail") -> float:
        """Mean over pixels and channels, as the detector's."""
        return float(np.mean(cv2.absdiff(self.hsv, other.hsv)))

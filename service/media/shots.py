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

RATIO = 3.0
"""The library's own. A cut that is missed costs little, one that is none ends every tubelet (decision record 13)."""
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
        self._detector = AdaptiveDetector(adaptive_threshold=RATIO, min_scene_len=1, window_width=AHEAD)
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
            # its clock is of no use here, it counts frames
            cuts = self._detector.process_frame(FrameTimecode(self._seen, 25.0), self._steady.next())
            for cut in cuts:
                # an odd frame right at a cut is two of them
                if not self._found or cut.frame_num - self._found[-1] > MOST_ODD:
                    self._found.append(cut.frame_num)
            self._seen += 1
        return next((cut for cut in self._found if after < cut <= upto), None)


class _Steady:
    """The thumbnails of a clip, BGR, in order; in place of odd frames the last one that is none.

    Args:
        clip: where frames are read, up to `MOST_ODD` ahead of the one that is given out.
    """

    def __init__(self, clip: FrameSource) -> None:
        self._clip = clip
        self._ahead: deque[_Thumbnail] = deque()
        self._read = self._odd = 0
        self._last: _Thumbnail | None = None

    def next(self) -> U8:
        """(96, 160, 3) uint8."""
        while self._read < len(self._clip) and len(self._ahead) <= MOST_ODD:
            self._ahead.append(_Thumbnail(self._clip.frame(self._read)))
            self._read += 1
        self._odd = self._odd or self._odd_frames()
        seen = self._ahead.popleft()
        if self._odd and self._last is not None:
            self._odd -= 1
            return self._last.bgr
        self._last = seen
        return seen.bgr

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
    """A frame, small, and its hue, saturation and brightness, which are compared."""

    def __init__(self, image: U8) -> None:
        small = cv2.resize(image, THUMBNAIL_WH, interpolation=cv2.INTER_AREA)
        self.bgr: U8 = np.ascontiguousarray(small[..., ::-1], np.uint8)
        self.hsv = cv2.cvtColor(self.bgr, cv2.COLOR_BGR2HSV)

    def difference(self, other: "_Thumbnail") -> float:
        """Mean over pixels and channels, as the detector's."""
        return float(np.mean(cv2.absdiff(self.hsv, other.hsv)))

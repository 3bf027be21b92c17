"""Shot changes by PySceneDetect's `AdaptiveDetector`: frames that differ unusually much from the previous one.

It compares mean differences of hue, saturation and brightness with those of the two frames on either side, so that
camera motion is not taken for a cut. A flash, a black or a corrupt frame would be two cuts. Up to `MOST_ODD` such
frames in a row are therefore replaced (`_Steady`) if the picture afterwards is the same as before: a cut requires
content that stays different.
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
"""Ratios of a frame's difference to its neighbors'. The library's default is sufficient for a cut; from the lower one
on the two sides must also be `APART`. A missed cut costs little, a false one ends every tubelet (record 13)."""
APART = 1.65
"""Minimum ratio of the smallest difference across a cut to the largest within its sides, over three frames each. It is
at least 1.72 at the cuts that are found, and 1.58 where a cockatoo turns its head close to the camera."""
THUMBNAIL_WH = (160, 96)
AHEAD = 2
"""Frames after a cut that the detector needs; it finds none in the last two frames of a video."""
MOST_ODD = 3
"""Maximum number of odd frames in a row; more of them are a shot."""
RETURNED = 0.5
"""Maximum difference of the frames before and after odd frames, relative to their differences from the odd ones. At 50
real cuts any two frames close to either side differ by at least 0.93 of the cut's own difference."""
LEAST = 15.0
"""Difference below which the detector never reports a cut."""


class ShotChanges:
    """Searches for shot changes incrementally; each frame is read once, in order, and only as far as needed.

    Args:
        clip: source of the frames.
        known: all changes, if known from an earlier run; then no frames are read.
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
        """First frames of the shots found so far, except the first shot."""
        return tuple(self._found)

    def next_change(self, after: int, upto: int) -> int | None:
        """The first frame of a shot that begins in after + 1 … upto, or None."""
        while self._seen < min(upto + AHEAD + 1, len(self._clip)):
            cut = self._look(self._steady.next())
            # an odd frame next to a cut is reported as two cuts
            if cut is not None and (not self._found or cut - self._found[-1] > MOST_ODD):
                self._found.append(cut)
            self._seen += 1
        return next((cut for cut in self._found if after < cut <= upto), None)

    def _look(self, frame: "_Thumbnail") -> int | None:
        """Process the next frame; the cut that is detected with it, `AHEAD` frames before, if any."""
        self._recent.append(frame)
        # its clock is of no use here, it counts frames
        now = FrameTimecode(self._seen, 25.0)
        sure = self._sure.process_frame(now, frame.bgr)
        possible = self._possible.process_frame(now, frame.bgr)
        return self._seen - AHEAD if sure or (possible and self._are_apart()) else None

    def _are_apart(self) -> bool:
        """Whether the frames on each side of the cut are more similar to each other than to those on the other side."""
        *before, last, first, second, third = self._recent
        sides = ((last, before), (first, [second, third]))
        within = max(edge.difference(other) for edge, others in sides for other in others)
        across = (early.difference(late) for early in (*before, last) for late in (first, second, third))
        return min(across) >= APART * within


def _detector(ratio: float) -> AdaptiveDetector:
    return AdaptiveDetector(adaptive_threshold=ratio, min_scene_len=1, window_width=AHEAD)


class _Steady:
    """The thumbnails of a clip, in order; odd frames are replaced by the last normal one.

    Args:
        clip: source of the frames, read up to `MOST_ODD` frames ahead.
    """

    def __init__(self, clip: FrameSource) -> None:
        self._clip = clip
        self._ahead: deque[_Thumbnail] = deque()
        self._read = self._odd = 0
        self._last: _Thumbnail | None = None

    def next(self) -> "_Thumbnail":
        """The next thumbnail."""
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
        """Number of odd frames from the next one on, after which the picture is the same as before."""
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
    """A small BGR copy of a frame, and its hue, saturation and brightness, which are compared."""

    def __init__(self, image: U8) -> None:
        small = cv2.resize(image, THUMBNAIL_WH, interpolation=cv2.INTER_AREA)
        self.bgr: U8 = np.ascontiguousarray(small[..., ::-1], np.uint8)
        self.hsv = cv2.cvtColor(self.bgr, cv2.COLOR_BGR2HSV)

    def difference(self, other: "_Thumbnail") -> float:
        """Mean absolute difference over pixels and channels, the same as the detector's."""
        return float(np.mean(cv2.absdiff(self.hsv, other.hsv)))

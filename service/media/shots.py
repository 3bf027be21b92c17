"""Shot changes by PySceneDetect's `AdaptiveDetector`: frames that differ unusually much from the previous one.

It compares mean differences of hue, saturation and brightness with those of the two frames on either side, so that
camera motion is not taken for a cut.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from scenedetect.common import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from service.media.frames.frame_source import FrameSource

RATIO = 3.0
"""The library's default. A missed cut costs little, a false one ends every tubelet (decision record 13)."""
THUMBNAIL_WH = (160, 96)
AHEAD = 2
"""Frames after a cut that the detector needs; it finds none in the last two frames of a video."""


class ShotChanges:
    """Searches for shot changes incrementally; each frame is read once, in order, and only as far as needed.

    Args:
        clip: source of the frames.
        known: all changes, if known from an earlier run; then no frames are read.
    """

    def __init__(self, clip: FrameSource, known: Sequence[int] | None = None) -> None:
        self._clip = clip
        self._detector = AdaptiveDetector(adaptive_threshold=RATIO, min_scene_len=1, window_width=AHEAD)
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
            small = cv2.resize(self._clip.frame(self._seen), THUMBNAIL_WH, interpolation=cv2.INTER_AREA)
            # the frame rate is irrelevant, as it only counts frames; images are BGR
            cuts = self._detector.process_frame(FrameTimecode(self._seen, 25.0), np.ascontiguousarray(small[..., ::-1]))
            self._found += [cut.frame_num for cut in cuts]
            self._seen += 1
        return next((cut for cut in self._found if after < cut <= upto), None)

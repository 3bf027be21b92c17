"""Shot changes by PySceneDetect's `AdaptiveDetector`: frames that differ more from the one before than others do.

It compares mean differences of hue, saturation and brightness with those of the two frames on either side, so that a
moving camera is no cut.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from scenedetect.common import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from service.media.frames.frame_source import FrameSource

RATIO = 3.0
"""The library's own. A cut that is missed costs little, one that is none ends every tubelet (decision record 13)."""
THUMBNAIL_WH = (160, 96)
AHEAD = 2
"""Frames after a cut that the detector wants to see; it finds none in the last two frames of a video."""


class ShotChanges:
    """Looks for shot changes, each frame once and in order, and no further than it is asked to.

    Args:
        clip: where frames are read.
        known: all changes, if an earlier look found them: then no frame is read.
    """

    def __init__(self, clip: FrameSource, known: Sequence[int] | None = None) -> None:
        self._clip = clip
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
            small = cv2.resize(self._clip.frame(self._seen), THUMBNAIL_WH, interpolation=cv2.INTER_AREA)
            # its clock is of no use here, it counts frames; images are BGR
            cuts = self._detector.process_frame(FrameTimecode(self._seen, 25.0), np.ascontiguousarray(small[..., ::-1]))
            self._found += [cut.frame_num for cut in cuts]
            self._seen += 1
        return next((cut for cut in self._found if after < cut <= upto), None)

"""Colors of the overlay: the matrix of a video's frames, and the one an overlay is written with."""

import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter

from service.structures.arrays import U8

UNSPECIFIED = 2
"""Matrix, primaries or transfer, by the numbers of H.273, which FFmpeg uses."""
SD_HW = (576, 1279)
"""Maximum size of frames that players assume to be BT.601 if the file does not specify it; larger ones are BT.709."""
HDR = {int(ColorTrc.SMPTE2084): "PQ", int(ColorTrc.ARIB_STD_B67): "HLG"}
MATRIX = Colorspace.ITU709


def assume_matrix(frame: VideoFrame) -> None:
    """Set the matrix that players assume on a frame without one, so that its conversion to RGB uses it."""
    small = frame.height <= SD_HW[0] and frame.width <= SD_HW[1]
    if frame.colorspace == UNSPECIFIED and not small:
        frame.colorspace = Colorspace.ITU709


def hdr(frame: VideoFrame) -> str | None:
    """PQ or HLG, if the frame uses one of them; such frames are not tone-mapped."""
    return HDR.get(int(frame.color_trc))


def tag(coder: VideoCodecContext, frame: VideoFrame) -> None:
    """Tag the encoder's output with the matrix of BT.709 and the source's primaries and transfer."""
    coder.colorspace, coder.color_range = MATRIX, ColorRange.MPEG
    coder.color_primaries = _known(frame.color_primaries, ColorPrimaries.BT709)
    coder.color_trc = _known(frame.color_trc, ColorTrc.BT709)


def _known(value: int, otherwise: int) -> int:
    return int(otherwise) if int(value) in {0, UNSPECIFIED} else int(value)


class ToPlanes:
    """Converts RGB images to the planes of the overlay."""

    def __init__(self) -> None:
        self._converter = VideoReformatter()

    def __call__(self, image: U8) -> VideoFrame:
        """(H, W, 3) uint8, even sides -> 4:2:0 in BT.709."""
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        return self._converter.reformat(
            frame,
            format="yuv420p",
            dst_colorspace=MATRIX,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND,
            threads=1,
        )

"""The decoders that may run on a foreign file, by FFmpeg's names. It runs no other: they are the options of `av.open`.

FFmpeg tries the decoders of all streams when it opens a file, long before anyone looks at the codec of the one that is
wanted. So the list goes with the file; a check afterwards says in plain words what is not on it.
"""

from collections.abc import Iterable

VIDEO = frozenset(
    [
        "h264",
        "hevc",
        "vp8",
        "vp9",
        "av1",
        "mpeg4",
        "mpeg2video",
        "mpeg1video",
        "mjpeg",
        "gif",
        "prores",
        "msmpeg4v2",
        "msmpeg4v3",
        "theora",
        "h263",
        "flv1",
        "wmv2",
        "dnxhd",
        "ffv1",
        "qtrle",
        "rawvideo",
        "libdav1d",
        "libvpx-vp9",
    ]
)
IMAGES = frozenset(["png", "mjpeg", "bmp", "webp", "tiff"])
"""Those of the pictures of a dataset."""

PCM = frozenset(f"pcm_{kind}" for kind in ("s16le", "s16be", "s24le", "s24be", "s32le", "f32le", "u8", "alaw", "mulaw"))
SOUND_DECODED = PCM | {"mp2", "mp2float", "vorbis"}
"""Sound that an MP4 for browsers can't hold: it is decoded and coded again."""
SOUND_COPIED = frozenset(["aac", "mp3", "opus", "flac", "ac3", "eac3", "alac"])
"""Sound that goes into the MP4 as it is; of MPEG-TS FFmpeg knows the rate only after a look with the decoder."""
SOUND = SOUND_DECODED | SOUND_COPIED | {"mp3float", "libopus"}


def options(decoders: Iterable[str], demuxer: str | None = None) -> dict[str, str]:
    """Options for `av.open`: local files, these decoders and, where given, no demuxer but this one."""
    given = {"protocol_whitelist": "file", "codec_whitelist": ",".join(sorted(decoders))}
    if demuxer is not None:
        # some demuxers open others for what a file holds: AVI those of its subtitles
        given["format_whitelist"] = demuxer
    if demuxer == "mov":
        given["enable_drefs"] = "0"
    return given

"""The decoders that may run on an untrusted file, by FFmpeg's names, as options of `av.open`.

FFmpeg runs the decoders of all streams when it opens a file, before the codec can be checked. Therefore the list is
passed when opening; the check afterwards is for the error message.
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
"""Decoders for the images of a dataset."""

PCM = frozenset(f"pcm_{kind}" for kind in ("s16le", "s16be", "s24le", "s24be", "s32le", "f32le", "u8", "alaw", "mulaw"))
SOUND_DECODED = PCM | {"mp2", "mp2float", "vorbis"}
"""Audio that browsers don't play in MP4; it is decoded and encoded again."""
SOUND_COPIED = frozenset(["aac", "mp3", "opus", "flac", "ac3", "eac3", "alac"])
"""Audio that is copied. Its decoders are needed, too: in MPEG-TS they determine the sample rate."""
SOUND = SOUND_DECODED | SOUND_COPIED | {"mp3float", "libopus"}


def options(decoders: Iterable[str], demuxer: str | None = None) -> dict[str, str]:
    """Options for `av.open`: local files, these decoders and, where given, no demuxer but this one."""
    given = {"protocol_whitelist": "file", "codec_whitelist": ",".join(sorted(decoders))}
    if demuxer is not None:
        # some demuxers open others, for instance AVI for its subtitles
        given["format_whitelist"] = demuxer
    if demuxer == "mov":
        given["enable_drefs"] = "0"
    return given

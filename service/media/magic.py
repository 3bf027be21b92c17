"""Detects the container format by the first bytes of a file.

FFmpeg gets the format and never guesses, because a text file that lists other files (ffconcat, HLS) must not be
followed.
"""

HEAD_BYTES = 400
MOV_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
TS_PACKET, TS_SYNC = 188, b"\x47"
STARTS = (
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"OggS", "ogg"),
    (b"FLV\x01", "flv"),
)


def container_format(head: bytes) -> str | None:
    """The demuxer for a file that starts with `head` (400 bytes), or None for unknown containers."""
    if head[4:8] in MOV_BOXES:
        return "mov"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    if head[:1] == TS_SYNC and head[TS_PACKET : TS_PACKET + 1] == TS_SYNC:
        return "mpegts"
    return next((name for start, name in STARTS if head.startswith(start)), None)

"""The container by its first bytes. FFmpeg is told the format and never guesses: a text file named .mp4 that lists
other files (ffconcat, HLS) must not be followed.
"""

FORMATS = ("mov", "matroska", "avi", "mpegts", "gif", "ogg", "flv")
HEAD_BYTES = 400
MOV_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
TS_PACKET = 188


def container_format(head: bytes) -> str | None:
    """The demuxer for a file that starts with `head` (400 bytes), None if it is no known container."""
    if head[4:8] in MOV_BOXES:
        return "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if head.startswith(b"OggS"):
        return "ogg"
    if head.startswith(b"FLV\x01"):
        return "flv"
    if head[:1] == b"\x47" and head[TS_PACKET : TS_PACKET + 1] == b"\x47":
        return "mpegts"
    return None

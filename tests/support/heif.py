"""HEIF files with a picture in tiles, as phones write them."""

from struct import pack

SIDE = 64
GRAY = bytes.fromhex("0a0a00000002afff8d5f300832101000ba020820410100000800 95d00180")
"""A gray AV1 picture of 64 x 64 pixels."""
CONFIGURATION = bytes.fromhex("81000c00")


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of ISO/IEC 14496-12."""
    content = b"".join(parts)
    return pack(">I", 8 + len(content)) + kind + content


def heif(tiles: int, *, thumbnail: bool = False) -> bytes:
    """A picture of `tiles` tiles side by side, or a plain one; with `thumbnail` also a small picture."""
    pictures = tiles + thumbnail
    grid = tiles + thumbnail + 1 if tiles > 1 else 1
    layout = pack(">BBBBHH", 0, 0, 0, tiles - 1, tiles * SIDE, SIDE)
    items = [(number, b"av01") for number in range(1, pictures + 1)] + ([(grid, b"grid")] if tiles > 1 else [])

    def places(start: int) -> bytes:
        """Item locations: the pictures from `start` on, the layout in `idat`."""
        entries = [pack(">HHHHII", number, 0, 0, 1, start + (number - 1) * len(GRAY), len(GRAY)) for number, _ in items]
        if tiles > 1:
            entries[-1] = pack(">HHHHII", grid, 1, 0, 1, 0, len(layout))
        return box(b"iloc", pack(">IBBH", 1 << 24, 0x44, 0, len(items)), *entries)

    entries = [box(b"infe", pack(">IHH", 2 << 24, number, 0), kind, b"\0") for number, kind in items]
    of_grid = box(b"dimg", pack(f">HH{tiles}H", grid, tiles, *range(1, tiles + 1))) if tiles > 1 else b""
    of_thumbnail = box(b"thmb", pack(">HHH", pictures, 1, grid)) if thumbnail else b""
    sizes = [box(b"ispe", pack(">III", 0, width * SIDE, SIDE)) for width in (1, tiles)]
    properties = box(b"ipco", *sizes, box(b"pixi", pack(">I4B", 0, 3, 8, 8, 8)), box(b"av1C", CONFIGURATION))
    owners = [
        pack(">HB2B", number, 2, 2, 3) if kind == b"grid" else pack(">HB3B", number, 3, 1, 3, 0x84)
        for number, kind in items
    ]

    def meta(start: int) -> bytes:
        return box(
            b"meta",
            bytes(4),
            box(b"hdlr", bytes(8), b"pict", bytes(13)),
            box(b"pitm", pack(">IH", 0, grid)),
            places(start),
            box(b"iinf", pack(">IH", 0, len(items)), *entries),
            box(b"iref", bytes(4), of_grid, of_thumbnail),
            box(b"iprp", properties, box(b"ipma", pack(">II", 0, len(items)), *owners)),
            box(b"idat", layout),
        )

    head = box(b"ftyp", b"avif", bytes(4), b"avifmif1miaf")
    return head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", GRAY * pictures)

"""Masks as COCO run-length encodings, with pycocotools.

A mask is in pixels of its frame, and includes the frame's size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
from pycocotools import mask as coco

from service.structures.arrays import F32, I64, Bool

MOST_COORDINATE = 1e5
"""Maximum coordinate of a polygon's points, px."""


@dataclass(frozen=True, slots=True)
class Rle:
    """One binary mask, compressed.

    Attributes:
        size_hw: height and width of the frame in pixels.
        counts: COCO's compressed run lengths (column-major), as `pycocotools` writes them.
    """

    size_hw: tuple[int, int]
    counts: bytes

    def coco(self) -> dict[str, object]:
        """The dict in pycocotools' form."""
        return {"size": list(self.size_hw), "counts": self.counts}

    def json(self) -> dict[str, object]:
        """The dict of COCO and YouTube-VIS results, with `counts` as str."""
        return {"size": list(self.size_hw), "counts": self.counts.decode("ascii")}


def encode(mask: Bool) -> Rle:
    """Mask (H, W) bool -> RLE."""
    height, width = mask.shape
    packed = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return Rle((int(height), int(width)), bytes(packed["counts"]))


def encode_part(part: Bool, corner_xy: tuple[int, int], size_hw: tuple[int, int]) -> Rle:
    """Encode a mask that is `part` at some position in the frame and empty elsewhere.

    Equals `encode` of the whole mask, at a cost proportional to the part.

    Args:
        part: (h, w), entirely inside the frame.
        corner_xy: position of its first pixel in the frame.
        size_hw: H, W of the frame.
    """
    (height, width), (x, y) = size_hw, corner_xy
    rows, columns = part.shape
    # columns with an empty pixel above and below: wherever the value changes, a run starts or ends
    framed = np.zeros((columns, rows + 2), np.bool_)
    framed[:, 1:-1] = part.T
    column, row = np.nonzero(framed[:, 1:] != framed[:, :-1])
    edges = (x + column) * height + y + row
    # a run that ends where the next column's starts continues
    broken = edges[2::2] != edges[1:-1:2]
    inner = np.stack([edges[1:-1:2], edges[2::2]], axis=1)[broken].reshape(-1)
    ends = [edges[:1], inner, edges[-1:]]
    runs = np.diff(np.concatenate([[0], *ends, [height * width]]))
    # pycocotools omits an empty run at the end
    runs = runs[:-1] if runs[-1] == 0 else runs
    packed = coco.frPyObjects({"size": [height, width], "counts": runs.astype(np.uint32)}, height, width)
    return Rle((height, width), bytes(packed["counts"]))


def filled(box: F32, size_hw: tuple[int, int]) -> Rle:
    """The mask of all pixels that intersect a box.

    Args:
        box: (4,) x1 y1 x2 y2 inside the frame, not empty.
        size_hw: of the frame.
    """
    height, width = size_hw
    x1, y1 = (int(edge) for edge in np.floor(box[:2]))
    x2, y2 = (int(edge) for edge in np.ceil(box[2:]))
    rows, columns = y2 - y1, x2 - x1
    # between the box's pixels of one column and the next there are `height - rows` pixels
    runs = [x1 * height + y1, *[rows, height - rows] * (columns - 1), rows, (width - x2) * height + height - y2]
    packed = coco.frPyObjects({"size": [height, width], "counts": runs}, height, width)
    return Rle((height, width), bytes(packed["counts"]))


def decode(rle: Rle) -> Bool:
    """RLE -> mask (H, W) bool."""
    decoded: Bool = coco.decode(rle.coco()).astype(np.bool_)
    return decoded


def decode_part(rle: Rle) -> tuple[Bool, tuple[int, int]]:
    """RLE -> the part of the mask within its bounding box, (h, w) bool, and the x, y of its top-left pixel.

    The inverse of `encode_part`: the cost depends on the columns that the mask touches, not on the frame.
    """
    height = rle.size_hw[0]
    x1, y1, x2, y2 = (int(edge) for edge in bounding_box(rle))
    if x1 == x2:
        return np.zeros((0, 0), np.bool_), (0, 0)
    # ends of the runs, relative to the first column of the mask; runs of 0 and of 1 alternate
    ends = np.clip(np.cumsum(_runs_of(rle.counts)) - x1 * height, 0, (x2 - x1) * height)
    values = np.arange(len(ends)) % 2 == 1
    columns = np.repeat(values, np.diff(ends, prepend=0)).reshape(x2 - x1, height)
    return np.ascontiguousarray(columns[:, y1:y2].T), (x1, y1)


def from_json(value: dict[str, object]) -> Rle:
    """The inverse of `Rle.json`."""
    size, counts = value["size"], value["counts"]
    if not isinstance(size, list | tuple) or len(size) != 2:
        raise ValueError(f"rle.size: expected [height, width], got {size!r}")
    if not isinstance(counts, str | bytes):
        raise TypeError(f"rle.counts: expected a compressed string, got {type(counts).__name__}")
    return Rle((int(size[0]), int(size[1])), counts.encode("ascii") if isinstance(counts, str) else counts)


def from_coco(value: object, size_hw: tuple[int, int]) -> Rle:
    """Parse a `segmentation`: an RLE, compressed or as lists, or polygons [[x, y, x, y, …], …].

    Args:
        value: in COCO's format.
        size_hw: size of the frame, which an RLE must match.

    Raises:
        ValueError: it is not valid, or does not match the frame.
    """
    height, width = size_hw
    if is_polygons(value):
        merged = coco.merge(coco.frPyObjects(value, height, width))
        return Rle(size_hw, bytes(merged["counts"]))
    if not isinstance(value, dict):
        raise ValueError(f"expected an RLE or polygons of at least three points, got {value!r:.80}")  # noqa: TRY004
    size, counts = value.get("size"), value.get("counts")
    if size != [height, width]:
        raise ValueError(f"expected an RLE of size {[height, width]} (height, width of the frame), got {size!r:.80}")
    runs = counts if isinstance(counts, list) else _run_lengths(counts) if isinstance(counts, str) else []
    # pycocotools does not check runs, and reads beyond them if they are too short
    if not all(type(run) is int and run >= 0 for run in runs) or sum(runs) != height * width:
        raise ValueError(f"expected counts whose runs cover {height} x {width} pixels, got {counts!r:.80}")
    return Rle(size_hw, bytes(coco.frPyObjects({"size": size, "counts": runs}, height, width)["counts"]))


def is_polygons(value: object) -> TypeGuard[list[list[float]]]:
    """Whether a `segmentation` is polygons that can be drawn."""
    return isinstance(value, list) and bool(value) and all(_is_polygon(polygon) for polygon in value)


def _is_polygon(value: object) -> bool:
    """Whether this is a polygon of at least three points, all finite and small enough for C integers."""
    if not isinstance(value, list) or len(value) < 6 or len(value) % 2:
        return False
    return all(type(number) in {int, float} and abs(number) < MOST_COORDINATE for number in value)


def _run_lengths(counts: str) -> list[int]:
    """Compressed counts -> runs, like pycocotools' `rleFrString`; an invalid string gives no runs.

    Each character has five bits; from the fourth run on, values are differences to the run two before.
    """
    runs: list[int] = []
    number = shift = 0
    for bits in (ord(character) - 48 for character in counts):
        if not 0 <= bits < 64 or shift > 30:
            return []
        number |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            number -= 1 << shift
        runs.append(number + (runs[-2] if len(runs) > 2 else 0))
        number = shift = 0
    return [] if shift else runs


def _runs_of(counts: bytes) -> I64:
    """The runs of valid counts: `_run_lengths`, vectorized."""
    bits = np.frombuffer(counts, np.uint8).astype(np.int64) - 48
    last = bits & 32 == 0
    first = np.flatnonzero(np.concatenate([[True], last[:-1]]))
    shift = 5 * (np.arange(len(bits)) - np.repeat(first, np.diff(np.append(first, len(bits)))))
    runs = np.add.reduceat((bits & 31) << shift, first)
    runs -= np.where(bits[last] & 16, 1 << (shift[last] + 5), 0)
    # differences to the run two before, from the fourth run on
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs


def area(rle: Rle) -> int:
    """Number of pixels set."""
    return int(coco.area(rle.coco()))


def bounding_box(rle: Rle) -> F32:
    """Tight box (4,) float32, x1 y1 x2 y2 in pixels, continuous edges; zeros for an empty mask."""
    x, y, w, h = coco.toBbox(rle.coco())
    return np.array([x, y, x + w, y + h], np.float32)


def iou_matrix(a: Sequence[Rle], b: Sequence[Rle]) -> F32:
    """Pairwise mask IoU, N x M masks of one frame size -> (N, M) float32. Two empty masks give 0."""
    if not a or not b:
        return np.zeros((len(a), len(b)), np.float32)
    iou = coco.iou([m.coco() for m in a], [m.coco() for m in b], [0] * len(b))
    return np.nan_to_num(np.asarray(iou, np.float32), nan=0.0)

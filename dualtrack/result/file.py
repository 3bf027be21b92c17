"""Stored results: files of JSON lines that are written once and can be read in parts.

    {"layout": 1, "schema": 1, …, "tubelets": [heads]}      head: everything except the tubelets' frames
    {"first_frame": 0, "last_frame": 31, "tubelets": […]}   blocks of frames: the masks and boxes of the tubelets there
    …
    {"blocks": [[first_frame, last_frame, offset, bytes], …]}   index
    {"index_at": 123456}                                    offset of the index

The file is written after all rules on finished tubelets have run, so nothing is written twice. The JSON document of a
result is generated from it tubelet by tubelet; to read a range of frames, only the blocks of that range are read.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from dualtrack.errors import InvalidResult, NewerFormat
from dualtrack.result.document import (
    box_of,
    check_schema,
    head_json,
    head_of,
    parse,
    pieces,
    tubelet_head_of,
    video_of,
)
from dualtrack.result.model import Document, Entry, Head, Tubelet, TubeletHead

LAYOUT = 1
"""Format number of the file; readers reject higher numbers."""
BLOCK_FRAMES = 32
AT_ONCE = 200_000
"""Maximum number of entries in memory while a document is generated; every further batch of tubelets reads its blocks
again."""
TAIL_BYTES = 64

UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""Exceptions raised for JSON that is damaged, nested too deeply, or has a member of the wrong type."""
Entries = Callable[[int, range], Iterable[Entry | None]]
"""Function from the index of a tubelet in the head and a range of frames in its span to its entries in these frames."""


def write_result(path: Path, head: Head, entries: Entries) -> None:
    """Write a result.

    Args:
        path: path of the file; its folder must exist.
        head: the result without the frames of its tubelets.
        entries: called block by block and tubelet by tubelet.

    Raises:
        OSError: the file can't be written.
    """
    index: list[list[int]] = []
    with path.open("wb") as file:
        described = {**head_json(head), "tubelets": [asdict(item) for item in head.tubelets]}
        _write_line(file, {"layout": LAYOUT, **described})
        for first in range(0, head.video.frames, BLOCK_FRAMES):
            frames = range(first, min(first + BLOCK_FRAMES, head.video.frames))
            tubelets = [
                _part_json(item, _common(item.span, frames), entries(place, _common(item.span, frames)))
                for place, item in enumerate(head.tubelets)
                if _common(item.span, frames)
            ]
            at = file.tell()
            block = {"first_frame": frames[0], "last_frame": frames[-1], "tubelets": tubelets}
            index.append([frames[0], frames[-1], at, _write_line(file, block)])
        at = file.tell()
        _write_line(file, {"blocks": index})
        _write_line(file, {"index_at": at})


@dataclass(frozen=True, slots=True)
class BlockTubelet:
    """Part of a tubelet in one block: its entries from `first_frame` on."""

    id: int
    first_frame: int
    entries: tuple[Entry | None, ...]


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A stored result that can be read in parts.

    Attributes:
        path: path of the file.
        head: the result without the frames of its tubelets.
        index: first frame, last frame, offset and size in bytes of every block.
        whole: the tubelets, if the file is a JSON document and has no blocks.
    """

    path: Path
    head: Head
    index: tuple[tuple[int, int, int, int], ...] = ()
    whole: tuple[Tubelet, ...] | None = None

    @classmethod
    def open(cls, path: Path) -> "ResultFile":
        """Read the head and the index; a JSON document of schema 1 or format 0 is read completely.

        Raises:
            FileNotFoundError: the file does not exist.
            NewerFormat: the file's format is newer than this version reads.
            InvalidResult: the file is not a result, or is incomplete.
        """
        with path.open("rb") as file:
            try:
                first = _first_line(file)
                if first is None:
                    head, tubelets = _whole(file, path)
                    return cls(path, head, whole=tubelets)
                _check_layout(first, path)
                heads = tuple(tubelet_head_of(item) for item in first["tubelets"])
                return cls(path, head_of(first, video_of(first), heads), _index(file))
            except UNREADABLE as error:
                raise InvalidResult(f"result {path.name}: expected a complete result: {error!r}") from error

    def parts(self, frames: range) -> Iterator[list[BlockTubelet]]:
        """Yield the tubelets of every block that contains some of these frames; a file without blocks is one block.

        Raises:
            FileNotFoundError: the file was deleted.
            InvalidResult: a block can't be read.
        """
        if self.whole is not None:
            found = [item for item in self.whole if _common(item.head.span, frames)]
            yield [BlockTubelet(item.head.id, item.head.first_frame, item.entries) for item in found]
            return
        with self.path.open("rb") as file:
            yield from self._blocks(file, frames)

    def tubelets(self) -> Iterator[Tubelet]:
        """Yield all tubelets, in the order of the head; raises the same errors as `parts`."""
        if self.whole is not None:
            yield from self.whole
            return
        # opened once for all batches, so that it can be read to the end even if it is deleted in the meantime
        with self.path.open("rb") as file:
            for batch in _batches(self.head.tubelets):
                yield from self._tubelets(file, batch)

    def opened_tubelets(self) -> Iterator[Tubelet]:
        """All tubelets, as from `tubelets`; the file is opened and the first tubelet is read immediately.

        Errors are thus raised before anything made from the tubelets is sent.
        """
        tubelets = self.tubelets()
        first = list(islice(tubelets, 1))
        return chain(first, tubelets)

    def document(self) -> Iterator[str]:
        """The text of the JSON document in pieces; raises the same errors as `parts`, before the first piece."""
        return pieces(self.head, self.opened_tubelets())

    def _tubelets(self, file: BinaryIO, batch: Sequence[TubeletHead]) -> Iterator[Tubelet]:
        found: dict[int, list[Entry | None]] = {item.id: [] for item in batch}
        frames = range(min(item.first_frame for item in batch), max(item.last_frame for item in batch) + 1)
        for block in self._blocks(file, frames):
            for part in block:
                if part.id in found:
                    found[part.id] += part.entries
        return (Tubelet(item, tuple(found[item.id]), self.head.video) for item in batch)

    def _blocks(self, file: BinaryIO, frames: range) -> Iterator[list[BlockTubelet]]:
        for first, last, at, size in self.index:
            if _common(range(first, last + 1), frames):
                file.seek(at)
                yield _block(file.read(size), f"result {self.path.name}: frames {first} to {last}")


def _batches(tubelets: Iterable[TubeletHead]) -> Iterator[list[TubeletHead]]:
    """Split tubelets, in order, into batches that fit in memory."""
    batch: list[TubeletHead] = []
    held = 0
    for item in tubelets:
        if batch and held + len(item.span) > AT_ONCE:
            yield batch
            batch, held = [], 0
        batch.append(item)
        held += len(item.span)
    if batch:
        yield batch


def _first_line(file: BinaryIO) -> Document | None:
    """The head, or None if the file is a single JSON document; the file is then rewound to its start."""
    try:
        first = json.loads(file.readline())
    except ValueError:
        # a document with line breaks
        first = None
    if isinstance(first, dict) and "layout" in first:
        return first
    file.seek(0)
    return None


def _whole(file: BinaryIO, path: Path) -> tuple[Head, tuple[Tubelet, ...]]:
    try:
        return parse(json.load(file))
    except InvalidResult as error:
        raise InvalidResult(f"result {path.name}: {error.detail.removeprefix('result: ')}") from error


def _index(file: BinaryIO) -> tuple[tuple[int, int, int, int], ...]:
    """First frame, last frame, offset and size in bytes of every block; all blocks precede the index.

    Raises:
        ValueError, KeyError, TypeError: the file does not end with an index.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - TAIL_BYTES))
    index_at = json.loads(file.read().rstrip(b"\n").rpartition(b"\n")[2])["index_at"]
    if not 0 <= index_at < size:
        raise ValueError(f"index: expected an offset below {size}, got {index_at}")
    file.seek(index_at)
    blocks = tuple((first, last, at, length) for first, last, at, length in json.loads(file.readline())["blocks"])
    for first, last, at, length in blocks:
        if not (0 <= first <= last and 0 <= at < at + length <= index_at):
            raise ValueError(f"index: frames {first} to {last}: expected bytes before {index_at}, got {length} at {at}")
    return blocks


def _check_layout(first: Document, path: Path) -> None:
    check_schema(first)
    if first["layout"] > LAYOUT:
        raise NewerFormat(
            f"result {path.name}: layout {first['layout']} is newer than {LAYOUT}, the newest that this version reads"
        )


def _write_line(file: BinaryIO, document: Document) -> int:
    line = json.dumps(document, separators=(",", ":")).encode() + b"\n"
    return file.write(line)


def _part_json(head: TubeletHead, frames: range, entries: Iterable[Entry | None]) -> Document:
    found = list(entries)
    if len(found) != len(frames):
        raise ValueError(f"tubelet {head.id}: expected {len(frames)} entries for {frames}, got {len(found)}")
    return {
        "id": head.id,
        "first_frame": frames.start,
        "counts": [entry and entry.counts for entry in found],
        "boxes": [entry and entry.box for entry in found],
        "track_boxes": [entry and entry.track_box for entry in found],
        "track_scores": [entry and entry.track_score for entry in found],
        "confidences": [entry and entry.confidence for entry in found],
    }


def _block(line: bytes, where: str) -> list[BlockTubelet]:
    try:
        return [_part_of(item) for item in json.loads(line)["tubelets"]]
    except UNREADABLE as error:
        raise InvalidResult(f"{where} can't be read: {error}") from error


def _part_of(item: Document) -> BlockTubelet:
    # results of earlier versions have no confidences
    confidences = item.get("confidences") or [None] * len(item["counts"])
    rows = zip(item["counts"], item["boxes"], item["track_boxes"], item["track_scores"], confidences, strict=True)
    return BlockTubelet(item["id"], item["first_frame"], tuple(_entry(*row) for row in rows))


def _entry(
    counts: str | None, box: list[float], track_box: list[float], score: float, confidence: float | None
) -> Entry | None:
    tracked = box_of(track_box)
    return None if counts is None or tracked is None else Entry(counts, box_of(box), tracked, score, confidence)


def _common(a: range, b: range) -> range:
    """The intersection of two ranges of frames."""
    return range(max(a.start, b.start), min(a.stop, b.stop))

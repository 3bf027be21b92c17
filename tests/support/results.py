"""Results that tests read, and the smallest one that they write."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from dualtrack.formats import ytvis
from dualtrack.formats.table import FILES, ResultFormat
from dualtrack.result.file import ResultFile, write_result
from dualtrack.result.model import Category, ClassScore, Entry, Head, TubeletHead, Video
from service.structures.masks import decode, from_json

STORED = FILES[ResultFormat.COCO_RLE].stored


def document_in(folder: Path) -> dict[str, Any]:
    """The JSON document of the result that lies in a folder."""
    document: dict[str, Any] = json.loads("".join(ResultFile.open(folder / STORED).document()))
    return document


def tight_boxes(tubelet: dict[str, Any]) -> list[list[float] | None]:
    """The boxes around the masks of a tubelet of a document, counted pixel by pixel."""
    boxes: list[list[float] | None] = []
    for mask in tubelet["segmentations"]:
        if mask is None:
            boxes.append(None)
            continue
        rows, columns = np.nonzero(decode(from_json(mask)))
        boxes.append([float(edge) for edge in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)])
    return boxes


def write_empty(folder: Path) -> None:
    """A result without tubelets."""
    head = Head(Video(60, 40, 0), {}, None, {}, (), 1, (), ())
    write_result(folder / STORED, head, lambda place, frames: ())


def write_unsure(folder: Path) -> None:
    """A result of one object in one frame, a dog or a cat, with its YouTube-VIS records."""
    video, classes = Video(60, 40, 1), (ClassScore(18, "dog", 0.5), ClassScore(17, "cat", 0.25))
    tubelet = TubeletHead(1, 18, "dog", 0.5, 0, 0, 1, 0, classes=classes)
    categories = tuple(Category(each.category_id or 0, each.category) for each in classes)
    head = Head(video, {}, None, {}, categories, 1, (), (tubelet,))
    entry = Entry("PPYo0", (0.0, 0.0, 10.0, 10.0), (0.0, 0.0, 10.0, 10.0), 1.0)
    write_result(folder / STORED, head, lambda place, frames: [entry for _ in frames])
    written = ResultFile.open(folder / STORED)
    (folder / FILES[ResultFormat.YTVIS].stored).write_text("".join(ytvis.pieces(head, written.tubelets())))

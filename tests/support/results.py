"""Results that tests read, and the smallest one that they write."""

import json
from pathlib import Path
from typing import Any

from dualtrack.formats.table import FILES, ResultFormat
from dualtrack.result.file import ResultFile, write_result
from dualtrack.result.model import Head, Video

STORED = FILES[ResultFormat.COCO_RLE].stored


def document_in(folder: Path) -> dict[str, Any]:
    """The JSON document of the result that lies in a folder."""
    document: dict[str, Any] = json.loads("".join(ResultFile.open(folder / STORED).document()))
    return document


def write_empty(folder: Path) -> None:
    """A result without tubelets."""
    head = Head(Video(60, 40, 0), {}, None, {}, (), 1, (), ())
    write_result(folder / STORED, head, lambda place, frames: ())

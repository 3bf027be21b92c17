"""Results that tests read, and the smallest one that they write."""

import asyncio
import json
from pathlib import Path
from typing import Any

from dualtrack.formats.table import FILES, ResultFormat
from dualtrack.result.file import ResultFile, write_result
from dualtrack.result.model import Head, Video
from service.artifacts.overlay import write_overlay
from service.media.limits import VideoLimits

STORED = FILES[ResultFormat.COCO_RLE].stored


def document_in(folder: Path) -> dict[str, Any]:
    """The JSON document of the result that lies in a folder."""
    document: dict[str, Any] = json.loads("".join(ResultFile.open(folder / STORED).document()))
    return document


def write_empty(folder: Path) -> None:
    """A result without tubelets."""
    head = Head(Video(60, 40, 0), {}, None, {}, (), 1, (), ())
    write_result(folder / STORED, head, lambda place, frames: ())


def draw_overlay(video: Path, folder: Path) -> Path:
    """Draw the result in a folder on its video, as a worker does after the commit; returns the overlay's path."""
    result, out = ResultFile.open(folder / STORED), folder / FILES[ResultFormat.OVERLAY_MP4].stored
    limits = VideoLimits()
    asyncio.run(write_overlay(video, result, out, limits=limits, min_score=0.1, on_frame=lambda _: None))
    return out

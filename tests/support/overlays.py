"""Overlays of results that tests have made."""

import asyncio
from pathlib import Path

from dualtrack.formats.table import FILES, ResultFormat
from dualtrack.result.file import ResultFile
from service.artifacts.overlay import write_overlay
from service.media.limits import VideoLimits
from tests.support.results import STORED


def draw_overlay(video: Path, folder: Path) -> Path:
    """Draw the result in a folder on its video, as a worker does after the commit; returns the overlay's path."""
    result, out = ResultFile.open(folder / STORED), folder / FILES[ResultFormat.OVERLAY_MP4].stored
    limits = VideoLimits()
    asyncio.run(write_overlay(video, result, out, limits=limits, min_score=0, on_frame=lambda _: None))
    return out

"""Renders the overlay: objects in distinct colors, with class, score and number, on the original video."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from service.media.children.guard import run_child
from service.media.limits import VideoLimits
from service.media.sound import SILENT
from service.media.times import USUAL_RATE
from service.structures.arrays import F32
from service.structures.masks import Rle

CPU_S = 3600
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """One object: number, class name, score, masks and boxes (T, 4) by frame, from frame `start` on."""

    id: int
    name: str
    score: float
    masks: Sequence[Rle | None]
    boxes: F32
    start: int = 0


async def render_overlay(
    path: Path,
    fps: float,
    times: Sequence[float],
    limits: VideoLimits,
    drawings: Iterable[Drawing],
    out: Path,
    on_frame: Callable[[int], None],
) -> None:
    """Write `out` as H.264 (yuv420p, BT.709, plays in browsers) with the original's timing, from 0 on, and its sound.

    Args:
        path: the video.
        fps: its frames per second; 0 if unknown.
        times: of its frames, seconds.
        limits: see there.
        drawings: what is drawn; iterated over in a thread.
        out: MP4.
        on_frame: called with the number of frames that are done.

    Raises:
        InvalidVideo: the video can't be decoded.
        Unavailable: the disk is full, or the child was killed from outside or got no processor time.
    """
    description = out.with_suffix(".drawings.json")
    job = {
        "path": str(path),
        "limits": asdict(limits),
        "fps": fps or USUAL_RATE,
        "times": list(times),
        "drawings": str(description),
        "out": str(out),
        "memory_bytes": limits.memory_bytes + (2 << 30),
        "cpu_s": CPU_S,
        "file_bytes": limits.max_store_bytes,
    }
    try:
        await asyncio.to_thread(_describe, description, drawings)
        result = await run_child("service.media.children.render", job, wall_s=limits.wall_s, on_progress=on_frame)
        on_frame(result["frames"])
        for note in result.get("notes", ()):
            log.warning("overlay: %s", note)
    finally:
        description.unlink(missing_ok=True)
        # left by a child that was killed
        out.with_suffix(SILENT).unlink(missing_ok=True)


def _describe(path: Path, drawings: Iterable[Drawing]) -> None:
    """Write what the child reads; one drawing at a time, because all masks of a long video are large."""
    with path.open("w") as file:
        separator = "["
        for drawing in drawings:
            file.write(separator)
            json.dump(_document(drawing), file)
            separator = ","
        file.write("]" if separator == "," else "[]")


def _document(drawing: Drawing) -> dict[str, object]:
    return {
        "id": drawing.id,
        "name": drawing.name,
        "score": drawing.score,
        "start": drawing.start,
        "masks": [None if mask is None else mask.json() for mask in drawing.masks],
        "boxes": [[float(x) for x in box] for box in drawing.boxes],
    }

"""Renders the overlay: objects in distinct colors, with class, score and number, on the original video."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from service.media.children.guard import run_child
from service.media.limits import VideoLimits
from service.media.video_info import VideoInfo
from service.structures.arrays import F32
from service.structures.masks import Rle

CPU_S = 3600


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
    info: VideoInfo,
    limits: VideoLimits,
    drawings: Sequence[Drawing],
    out: Path,
    on_frame: Callable[[int], None],
) -> None:
    """Write `out` as H.264 (yuv420p, plays in browsers) with the original's timing.

    Raises:
        InvalidVideo: the video can't be decoded.
    """
    description = out.with_suffix(".drawings.json")
    description.write_text(json.dumps([_document(drawing) for drawing in drawings]))
    job = {
        "path": str(path),
        "limits": asdict(limits),
        "fps": info.fps or 25,
        "drawings": str(description),
        "out": str(out),
        "memory_bytes": limits.memory_bytes + (2 << 30),
        "cpu_s": CPU_S,
        "file_bytes": limits.max_store_bytes,
    }
    try:
        result = await run_child("service.media.children.render", job, wall_s=limits.wall_s, on_progress=on_frame)
        on_frame(result["frames"])
    finally:
        description.unlink(missing_ok=True)


def _document(drawing: Drawing) -> dict[str, object]:
    return {
        "id": drawing.id,
        "name": drawing.name,
        "score": drawing.score,
        "start": drawing.start,
        "masks": [None if mask is None else mask.json() for mask in drawing.masks],
        "boxes": [[float(x) for x in box] for box in drawing.boxes],
    }

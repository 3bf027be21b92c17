"""The files of a result: what each format is called on disk, and as people get it."""

from dataclasses import dataclass
from enum import StrEnum


class ResultFormat(StrEnum):
    """How a result is written; the API's parameter `format`."""

    COCO_RLE = "coco-rle"  # the JSON document of schema 1
    YTVIS = "ytvis"  # YouTube-VIS results.json
    OVERLAY_MP4 = "overlay-mp4"  # every object drawn on the video


@dataclass(frozen=True, slots=True)
class FormatFile:
    """One format's file.

    Attributes:
        stored: its name in the folder of a result.
        name: its name where people get it.
        media_type: of what they get.
    """

    stored: str
    name: str
    media_type: str


FILES = {
    ResultFormat.COCO_RLE: FormatFile("result.jsonl", "tubelets.json", "application/json"),
    ResultFormat.YTVIS: FormatFile("ytvis.json", "ytvis.json", "application/json"),
    ResultFormat.OVERLAY_MP4: FormatFile("overlay.mp4", "overlay.mp4", "video/mp4"),
}
BEFORE_SCHEMA_1 = "tubelets.json"
"""What a job's own result was stored as before schema 1: a whole JSON document."""

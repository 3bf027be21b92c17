"""The files of a result: the name of each format on disk and in a download."""

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
        stored: file name in a result's folder.
        name: file name in a download.
        media_type: of the download.
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
"""Stored name of a job's result before schema 1: one JSON document."""

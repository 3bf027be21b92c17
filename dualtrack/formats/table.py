"""Formats of a result, with file names and media types."""

from dataclasses import dataclass
from enum import StrEnum


class ResultFormat(StrEnum):
    """Format of a result; the values of the API's parameter `format`."""

    COCO_RLE = "coco-rle"  # JSON document, schema 1
    YTVIS = "ytvis"  # YouTube-VIS results.json
    OVERLAY_MP4 = "overlay-mp4"  # the video with the objects drawn on it


@dataclass(frozen=True, slots=True)
class FormatFile:
    """File of one format.

    Attributes:
        stored: file name in the service's result folder.
        name: file name of the download.
        media_type: media type of the download.
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
"""Stored file name of results before schema 1, which were single JSON documents."""

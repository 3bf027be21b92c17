"""Annotated videos in YouTube-VIS format: `instances.json` with `videos/NAME.mp4`, or a file of masks."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pycocotools import mask as coco

from dualtrack.errors import InvalidDataset

Document = dict[str, Any]


@dataclass(frozen=True)
class AnnotatedVideo:
    """One video of a dataset.

    Attributes:
        id: in the annotations.
        name: first part of its `file_names`; frame i of `videos/NAME.mp4` is `NAME/{i:05d}.jpg`. An entry without
            `file_names` has a `name`, and all of its `length` frames are annotated.
        path: the video file.
        frames: indices of the annotated frames in the file.
        exhaustive: whether every object of the categories is annotated.
        record: its entry in `instances.json`.
    """

    id: int
    name: str
    path: Path
    frames: tuple[int, ...]
    exhaustive: bool
    record: Document


@dataclass(frozen=True)
class Dataset:
    """Videos, categories (id → name) and annotations."""

    videos: tuple[AnnotatedVideo, ...]
    categories: dict[int, str]
    annotations: tuple[Document, ...]

    def occurring(self) -> set[str]:
        """Names of the annotated categories; an annotation may have none (a union of objects)."""
        ids = {item.get("category_id") for item in self.annotations}
        return {name for category_id, name in self.categories.items() if category_id in ids}

    def annotations_of(self, video: AnnotatedVideo) -> list[Document]:
        """Annotations of one video."""
        return [item for item in self.annotations if item["video_id"] == video.id]


def load_dataset(path: Path) -> Dataset:
    """Read `path`/instances.json, or `path` itself if it is a file (`masks_full.json` with `videos_full/` beside it).

    Raises:
        InvalidDataset: the file or a video is missing, or there are no annotations, as in the public validation sets
            of YouTube-VIS (split the training set by video instead).
    """
    file = path if path.is_file() else path / "instances.json"
    if not file.is_file():
        raise InvalidDataset(f"dataset: expected {file}, which does not exist", code="no-annotations")
    document = json.loads(file.read_bytes())
    for key in ("videos", "categories", "annotations"):
        if not document.get(key):
            raise InvalidDataset(f"{file}: expected a non-empty list {key!r}, got none", code="no-annotations")
    videos = tuple(_video(record, file.parent) for record in document["videos"])
    categories = {item["id"]: item["name"] for item in document["categories"]}
    return Dataset(videos, categories, tuple(_compressed(item) for item in document["annotations"]))


def _video(record: Document, folder: Path) -> AnnotatedVideo:
    names = [Path(name) for name in record.get("file_names", ())]
    name = names[0].parts[0] if names else record["name"]
    path = folder / record.get("video_file", f"videos/{name}.mp4")
    if not path.is_file():
        raise InvalidDataset(f"video {name}: expected {path}, which does not exist", code="no-video-file")
    frames = tuple(int(file.stem) for file in names) or tuple(range(record["length"]))
    return AnnotatedVideo(record["id"], name, path, frames, bool(record.get("exhaustive", True)), record)


def _compressed(annotation: Document) -> Document:
    """Convert YouTube-VIS's uncompressed run lengths to the compressed strings that the code here expects."""
    masks = annotation["segmentations"]
    if not any(rle and isinstance(rle["counts"], list) for rle in masks):
        return annotation
    packed = [rle and coco.frPyObjects(rle, *rle["size"]) for rle in masks]
    return {**annotation, "segmentations": [rle and {**rle, "counts": rle["counts"].decode()} for rle in packed]}

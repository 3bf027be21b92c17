"""Annotated clips of plain rectangles, and a context with the fake networks: evaluations whose outcome is known."""

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from service.inference.fake.client import FakeClient
from service.inference.repository.manifest import load_manifest
from service.media.limits import VideoLimits
from service.pipeline.context import PipelineContext
from service.pipeline.networks import Networks
from service.pipeline.store.cache import NoCache, StageCache
from service.structures.masks import encode
from tests.support.pipelines import REPOSITORY
from tests.support.scenes import Rectangle, draw

HW = (144, 240)
CATEGORIES = [{"id": 1, "name": "person"}, {"id": 21, "name": "motorbike"}]
"""Of the fake's colors 0 and 1: the bundled manifest's first classes."""
Clips = Mapping[str, Sequence[Rectangle]]


def context(scratch: Path, cache: StageCache | None = None) -> PipelineContext:
    manifest = load_manifest(REPOSITORY)
    return PipelineContext(Networks(FakeClient(manifest.dims), manifest), VideoLimits(), scratch, cache or NoCache())


def write_video(path: Path, rectangles: Sequence[Rectangle], frames: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"crf": "4"})
        stream.height, stream.width, stream.pix_fmt = *HW, "yuv444p"
        for t in range(frames):
            frame = av.VideoFrame.from_ndarray(draw(list(rectangles), t, HW), format="rgb24")
            frame.pts, frame.time_base = t, Fraction(1, 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def write_scored_scene(
    folder: Path, objects: Sequence[tuple[Rectangle, Mapping[int, float]]], frames: int
) -> tuple[Path, Path]:
    """A video and a file of its detections: every rectangle is a category of its own, found with a score by frame."""
    write_video(folder / "clip.mp4", [rectangle for rectangle, _ in objects], frames)
    rows = [
        {"image_id": t, "category_id": number, "score": score, "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for number, (rectangle, scores) in enumerate(objects, start=1)
        for t, score in scores.items()
        for x1, y1, x2, y2 in [rectangle.box(t)]
    ]
    categories = [{"id": number, "name": f"object {number}"} for number in range(1, len(objects) + 1)]
    (folder / "detections.json").write_text(json.dumps({"categories": categories, "annotations": rows}))
    return folder / "clip.mp4", folder / "detections.json"


def segmentations(rectangle: Rectangle, frames: int) -> list[dict[str, object] | None]:
    """The whole rectangle in every frame that shows some of it."""
    found: list[dict[str, object] | None] = []
    for t in range(frames):
        mask = np.zeros(HW, np.bool_)
        if t not in rectangle.hidden:
            x1, y1, x2, y2 = (max(edge, 0) for edge in rectangle.box(t))
            mask[y1:y2, x1:x2] = True
        found.append(encode(mask).json() if mask.any() else None)
    return found


def write_dataset(folder: Path, clips: Clips, frames: int = 8, **fields: Sequence[str]) -> Path:
    """`instances.json` and `videos/`; category 1 for the first rectangle of a clip, 21 for the others.

    `fields`: further fields of the videos, one value per clip.
    """
    videos: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, rectangles) in enumerate(clips.items(), start=1):
        write_video(folder / "videos" / f"{name}.mp4", rectangles, frames)
        own = {field: values[number - 1] for field, values in fields.items()}
        files = [f"{name}/{t:05d}.jpg" for t in range(frames)]
        videos.append({"id": number, "height": HW[0], "width": HW[1], "length": frames, "file_names": files, **own})
        for index, rectangle in enumerate(rectangles):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "video_id": number,
                    "category_id": CATEGORIES[min(index, 1)]["id"],
                    "iscrowd": 0,
                    "segmentations": segmentations(rectangle, frames),
                }
            )
    document = {"videos": videos, "categories": CATEGORIES, "annotations": annotations}
    (folder / "instances.json").write_text(json.dumps(document))
    return folder


def write_masks(folder: Path, clips: Clips, frames: int = 8) -> Path:
    """A file of masks with `videos_full/` beside it: one rectangle per clip, no `file_names`."""
    videos, annotations = [], []
    for number, (name, rectangles) in enumerate(clips.items(), start=1):
        file = f"videos_full/{name}.mp4"
        write_video(folder / file, rectangles, frames)
        size = {"height": HW[0], "width": HW[1], "length": frames}
        videos.append({"id": number, "name": name, "video_file": file, **size})
        masks = segmentations(rectangles[0], frames)
        annotations.append({"id": number, "video_id": number, "kind": "foreground_union", "segmentations": masks})
    path = folder / "masks_full.json"
    path.write_text(json.dumps({"videos": videos, "categories": CATEGORIES, "annotations": annotations}))
    return path

"""From a video to annotations: `python examples/annotator.py clip.mp4 --out annotations`."""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from pycocotools import mask as coco

import dualtrack

Document = dict[str, Any]


def coco_annotations(result: dualtrack.Result) -> Document:
    """COCO's format: an image per frame, an annotation per object and frame."""
    size = {"height": result.video.height, "width": result.video.width}
    images = [{"id": frame, "file_name": f"frame_{frame:06d}.jpg", **size} for frame in range(result.video.frames)]
    annotations: list[Document] = []
    for tubelet in result.tubelets:
        for frame in tubelet.frames:
            rle = tubelet.rle(frame)
            annotation = {
                "id": len(annotations) + 1,
                "image_id": frame,
                "category_id": tubelet.category_id,
                "segmentation": rle,
                "area": int(coco.area(rle)),
                "bbox": coco.toBbox(rle).tolist(),
                "iscrowd": 0,
                "attributes": {"track_id": tubelet.id},
            }
            annotations.append(annotation)
    return {"images": images, "categories": categories(result), "annotations": annotations}


def ytvis_annotations(result: dualtrack.Result, name: str) -> Document:
    """YouTube-VIS's format: a video, an annotation per object with a mask or null for every frame."""
    frames = range(result.video.frames)
    video = {
        "id": 1,
        "width": result.video.width,
        "height": result.video.height,
        "length": result.video.frames,
        "file_names": [f"{name}/{frame:05d}.jpg" for frame in frames],
    }
    annotations = [
        {
            "id": tubelet.id,
            "video_id": 1,
            "category_id": tubelet.category_id,
            "iscrowd": 0,
            "segmentations": [tubelet.rle(frame) for frame in frames],
        }
        for tubelet in result.tubelets
    ]
    return {"videos": [video], "categories": categories(result), "annotations": annotations}


def categories(result: dualtrack.Result) -> list[Document]:
    """The categories of a result, as both formats list them."""
    return [{"id": each.id, "name": each.name} for each in result.categories]


def main() -> None:
    """Segment the video and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--out", type=Path, default=Path("annotations"))
    parser.add_argument("--categories", help="names of the detector's classes, with commas; default: all")
    given = parser.parse_args()
    wanted = {} if given.categories is None else {"categories": given.categories.split(",")}
    result = dualtrack.segment(given.video, **wanted)
    (given.out / "videos").mkdir(parents=True, exist_ok=True)
    shutil.copy(given.video, given.out / "videos" / f"{given.video.stem}.mp4")
    (given.out / "coco.json").write_text(json.dumps(coco_annotations(result)))
    (given.out / "instances.json").write_text(json.dumps(ytvis_annotations(result, given.video.stem)))
    print(f"{len(result.tubelets)} objects in {result.video.frames} frames, written to {given.out}/")


if __name__ == "__main__":
    main()

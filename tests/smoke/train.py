"""`make train-smoke`: from synthetic data to a result with weights trained on it, in a few minutes on two cores.

It proves the path, not the weights: data in the two layouts, both trainings, packing, export with its comparison,
and `dualtrack segment` on the exported graphs. The detector starts from the bundled weights.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco
from safetensors.torch import load_file, save_file

from export.repository.classes import COCO_NAMES, class_list
from tests.support.annotated import write_dataset
from tests.support.clips import cut
from tests.support.scenes import Rectangle

ROOT = Path(__file__).resolve().parent.parent.parent
BUNDLED = ROOT / "export" / "weights" / "lite.safetensors"
COCO_FILES = (
    "coco_small/instances_train.json",
    "more_images/instances.json",
    "more_images/instances_other_objects.json",
    "pennfudan/instances.json",
)
"""The files that the trainings read, each with `images/` beside it."""
PICTURE_HW = (200, 260)
CLASSES = len(class_list())


def write_pictures(file: Path, *, pictures: int = 4) -> None:
    """A COCO file: noise, and a bright ellipse in each image."""
    (file.parent / "images").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(pictures):
        picture = rng.integers(0, 90, (*PICTURE_HW, 3), dtype=np.uint8)
        mask = np.zeros(PICTURE_HW, np.uint8)
        cv2.ellipse(mask, (120 + 10 * number, 100), (60, 40), 0, 0, 360, 1, -1)
        picture[mask > 0] += 150
        name = f"{file.stem}-{number}.png"
        cv2.imwrite(str(file.parent / "images" / name), picture)
        rle = coco.encode(np.asfortranarray(mask))
        images.append({"id": number, "file_name": name, "height": PICTURE_HW[0], "width": PICTURE_HW[1]})
        annotations.append(
            {
                "id": number + 1,
                "image_id": number,
                "category_id": 1,
                "iscrowd": 0,
                "area": int(mask.sum()),
                "bbox": list(cv2.boundingRect(mask)),
                "segmentation": {"size": list(PICTURE_HW), "counts": rle["counts"].decode()},
            }
        )
    categories = [{"id": index, "name": name} for index, name in enumerate(COCO_NAMES, start=1)]
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))


def write_start_weights(path: Path) -> None:
    """The bundled detector as COCO start weights: without the mask head and the classes that COCO lacks."""
    prefix = "detector."
    weights = {
        name.removeprefix(prefix): value.float()
        for name, value in load_file(BUNDLED).items()
        if name.startswith((f"{prefix}trunk.", f"{prefix}neck.", f"{prefix}head."))
    }
    for name in [name for name in weights if name.startswith("head.outputs.")]:
        coco_rows = [*range(len(COCO_NAMES)), *range(CLASSES, len(weights[name]))]
        weights[name] = weights[name][coco_rows].contiguous()
    save_file(weights, path)


def run(*arguments: str | Path, **environment: str) -> None:
    """One step of the path, as a user would type it."""
    command = [sys.executable, "-m", *(str(each) for each in arguments)]
    print("$ python -m", *command[2:], flush=True)
    subprocess.run(command, check=True, env={**os.environ, **environment}, cwd=ROOT)


def write_clips(folder: Path, frames: int = 12) -> None:
    """A YouTube-VIS folder: rectangles that pass each other."""
    folder.mkdir(parents=True, exist_ok=True)
    left = Rectangle((220, 40, 40), 20, 30, 40, 60, step_xy=(6, 0))
    right = Rectangle((40, 200, 40), 180, 60, 50, 40, step_xy=(-6, 1))
    write_dataset(folder, {"a": [left, right], "b": [right], "c": [left]}, frames)
    file = folder / "instances.json"
    document = json.loads(file.read_text())
    for item in document["annotations"]:
        item["bboxes"] = [rle and coco.toBbox(rle).tolist() for rle in item["segmentations"]]
    file.write_text(json.dumps(document))


def main() -> None:
    """Everything below `--out`; the repository's own weights and models stay as they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/smoke"))
    parser.add_argument("--minutes", type=float, default=0.5, help="Of each training.")
    given = parser.parse_args()
    out = given.out.resolve()
    names = ("data", "start.safetensors", "lite.safetensors", "repository")
    data, start, weights, repository = (out / name for name in names)
    for name in COCO_FILES:
        write_pictures(data / name)
    write_clips(data / "scenes3d" / "train")
    write_start_weights(start)
    common = ("--data", data, "--minutes", str(given.minutes))
    detector, trackers = out / "detector", out / "trackers"
    run("training.detector", *common, "--start-weights", start, "--out", detector)
    trained = detector / "final.safetensors"
    run("training.trackers", *common, "--trunk-weights", trained, "--out", trackers)
    dualtrack = "service.cli.main"
    run(dualtrack, "export", "pack", trained, trackers / "final.safetensors", "--out", weights)
    run(dualtrack, "export", "lite", "--weights", weights, "--out", repository, "--release", "smoke")
    clip, result = cut(out / "clip.mp4", 6), out / "result"
    own = {"DUALTRACK_MODEL_REPOSITORY": str(repository), "DUALTRACK_DATA_DIR": str(out / "service")}
    run(dualtrack, "segment", clip, "--out", result, **own)
    release = json.loads((result / "tubelets.json").read_text())["models"]["release"]
    print(f"{result}: made by the release {release!r} in {repository}")


if __name__ == "__main__":
    main()

"""Annotated still images for the detector: photographs in COCO format and frames of rendered clips."""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from export.repository.classes import COCO_NAMES, index_of_ytvis

Array = NDArray[Any]
CROP_HW = (384, 512)
SHORT_SIDE, LONG_SIDE = 384, 640
MOST_INSTANCES = 12
PANDA = index_of_ytvis("giant_panda")
"""COCO labels pandas as bears; the Caltech-101 images identify which bears are pandas."""
SPECIES = Path(__file__).with_name("species.json")
"""Species of birds in photographs, labeled manually: waterfowl counts as duck, parakeet and cockatoo as parrot."""
LEAST_AREA = 32
"""Minimum mask area for training, in pixels of the crop."""


@dataclass(frozen=True)
class Instance:
    """One labeled object: class index (-1: not a class of the model) and segmentation in COCO format."""

    label: int
    segmentation: Any
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Picture:
    """One image: a file or a frame of a clip.

    Attributes:
        path: image file, or video file with `frame` set.
        labeled_ytvis: all objects of the 40 YouTube-VIS categories are labeled.
    """

    path: Path
    hw: tuple[int, int]
    instances: tuple[Instance, ...]
    frame: int | None = None
    labeled_ytvis: bool = False


@dataclass(frozen=True)
class Crop:
    """One training sample: image (H, W, 3) uint8 RGB, boxes (N, 4), masks (N, H, W) uint8, labels (N,)."""

    image: Array
    boxes: Array
    masks: Array
    labels: Array
    labeled_ytvis: bool


def coco_pictures(path: Path, *, person_only: bool = False) -> list[Picture]:
    """Images of a COCO-format file next to `images/`, without crowds.

    Objects of classes that a file does not annotate are not negatives, because the class loss there is distillation.
    For COCO's `bird`, `species.json` has the species by annotation id.
    """
    document = json.loads(path.read_text())
    species = json.loads(SPECIES.read_text()).get(f"{path.parent.name}/{path.name}", {})
    order = {category: index for index, category in enumerate(_coco_ids(document))}
    by_image: dict[int, list[Instance]] = {}
    for item in document["annotations"]:
        if not item.get("iscrowd"):
            x, y, w, h = item["bbox"]
            label = 0 if person_only else order.get(item["category_id"], -1)
            if item.get("source_category") == "panda":
                label = PANDA
            if str(item["id"]) in species:
                label = index_of_ytvis(species[str(item["id"])])
            instance = Instance(label, item["segmentation"], (x, y, x + w, y + h))
            by_image.setdefault(item["image_id"], []).append(instance)
    return [
        Picture(path.parent / "images" / image["file_name"], (image["height"], image["width"]), tuple(found))
        for image in document["images"]
        if (found := by_image.get(image["id"]))
    ]


def _coco_ids(document: dict[str, Any]) -> list[int]:
    names = {item["name"]: item["id"] for item in document["categories"]}
    return [names[name] for name in COCO_NAMES if name in names] if len(names) >= len(COCO_NAMES) else []


def clip_pictures(folder: Path, every: int) -> list[Picture]:
    """Every `every`-th frame of a folder of rendered clips (YouTube-VIS layout)."""
    document = json.loads((folder / "instances.json").read_text())
    names = {item["id"]: item["name"] for item in document["categories"]}
    by_video: dict[int, list[dict[str, Any]]] = {}
    for item in document["annotations"]:
        by_video.setdefault(item["video_id"], []).append(item)
    pictures = []
    for video in document["videos"]:
        path = folder / "videos" / f"{Path(video['file_names'][0]).parts[0]}.mp4"
        for frame in range(video["id"] % every, video["length"], every):
            found = tuple(
                Instance(index_of_ytvis(names[a["category_id"]]), a["segmentations"][frame], _xyxy(a["bboxes"][frame]))
                for a in by_video.get(video["id"], [])
                if a["segmentations"][frame] is not None
            )
            if found:
                pictures.append(Picture(path, (video["height"], video["width"]), found, frame, labeled_ytvis=True))
    return pictures


def _xyxy(box: list[float]) -> tuple[float, float, float, float]:
    x, y, w, h = box
    return (x, y, x + w, y + h)


def cache_frames(pictures: list[Picture], cache: Path) -> list[Picture]:
    """Write the frames of clips to `cache` as JPEG once, so that training only reads files."""
    cache.mkdir(parents=True, exist_ok=True)
    wanted: dict[Path, set[int]] = {}
    for picture in pictures:
        if picture.frame is not None and not _cached(picture, cache).is_file():
            wanted.setdefault(picture.path, set()).add(picture.frame)
    for path, frames in wanted.items():
        with av.open(str(path)) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if index in frames:
                    image = frame.to_ndarray(format="bgr24")
                    cv2.imwrite(str(cache / f"{path.stem}-{index:05d}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 92])
    return [
        picture
        if picture.frame is None
        else Picture(_cached(picture, cache), picture.hw, picture.instances, None, picture.labeled_ytvis)
        for picture in pictures
    ]


def _cached(picture: Picture, cache: Path) -> Path:
    return cache / f"{picture.path.stem}-{picture.frame:05d}.jpg"


def read_crop(picture: Picture, rng: random.Random, scales: tuple[float, float] = (0.65, 1.35)) -> Crop:
    """A random augmentation of an image: scale jitter, crop or pad to `CROP_HW`, flip, color."""
    image = cv2.cvtColor(cv2.imread(str(picture.path)), cv2.COLOR_BGR2RGB)
    height, width = image.shape[:2]
    scale = min(SHORT_SIDE / min(height, width), LONG_SIDE / max(height, width)) * rng.uniform(*scales)
    target_h, target_w = CROP_HW
    shift_x = _shift(width * scale, target_w, rng)
    shift_y = _shift(height * scale, target_h, rng)
    matrix = np.array([[scale, 0, shift_x], [0, scale, shift_y]])
    if rng.random() < 0.5:
        matrix = np.array([[-1, 0, target_w], [0, 1, 0]]) @ np.vstack([matrix, [0, 0, 1]])
    view = cv2.warpAffine(image, matrix, (target_w, target_h), flags=cv2.INTER_LINEAR, borderValue=(124, 116, 104))
    view = _recolor(view, rng)
    boxes, masks, labels = [], [], []
    instances = list(picture.instances)
    rng.shuffle(instances)
    for instance in instances[: MOST_INSTANCES * 2]:
        mask = cv2.warpAffine(_mask(instance, (height, width)), matrix, (target_w, target_h), flags=cv2.INTER_LINEAR)
        if mask.sum() >= LEAST_AREA and len(labels) < MOST_INSTANCES:
            boxes.append(_tight(mask))
            masks.append(mask)
            labels.append(instance.label)
    return Crop(
        view,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(masks, np.uint8).reshape(-1, *CROP_HW),
        np.array(labels, np.int64),
        picture.labeled_ytvis,
    )


def pasted(crop: Crop, donor: Crop, rng: random.Random) -> Crop:
    """Some objects of `donor` pasted over `crop` (simple copy-paste, Ghiasi et al. 2021); occluded masks are cut."""
    chosen = [i for i in range(len(donor.labels)) if rng.random() < 0.5][:4]
    if not chosen:
        return crop
    above = donor.masks[chosen].any(0)
    masks = np.concatenate([crop.masks * ~above, donor.masks[chosen]])
    labels = np.concatenate([crop.labels, donor.labels[chosen]])
    kept = masks.sum((1, 2)) >= LEAST_AREA
    return Crop(
        np.where(above[..., None], donor.image, crop.image),
        np.array([_tight(mask) for mask in masks[kept]], np.float32).reshape(-1, 4),
        masks[kept],
        labels[kept],
        crop.labeled_ytvis and donor.labeled_ytvis,
    )


def _tight(mask: Array) -> list[int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def _shift(size: float, target: int, rng: random.Random) -> float:
    return -rng.uniform(0, size - target) if size > target else rng.uniform(0, target - size)


def _recolor(image: Array, rng: random.Random) -> Array:
    gain, offset = rng.uniform(0.7, 1.3), rng.uniform(-20, 20)
    tint = np.array([rng.uniform(0.92, 1.08) for _ in range(3)])
    return np.clip(image * (gain * tint) + offset, 0, 255).astype(np.uint8)


def _mask(instance: Instance, hw: tuple[int, int]) -> Array:
    """Mask (H, W) uint8 of a COCO segmentation: polygons, uncompressed or compressed RLE."""
    segmentation = instance.segmentation
    if isinstance(segmentation, list):
        segmentation = coco.merge(coco.frPyObjects(segmentation, *hw))
    elif isinstance(segmentation["counts"], list):
        segmentation = coco.frPyObjects(segmentation, *hw)
    decoded: Array = coco.decode(segmentation)
    return decoded

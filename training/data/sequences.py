"""Short sequences for the trackers: frames of rendered clips, moving photographs, objects moving over photographs."""

import json
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.samples import Instance, Picture, _mask, _recolor

Array = NDArray[Any]
FRAME_HW = (320, 512)
MOST_OBJECTS = 4
MOST_GAP = 4
MIN_AREA = 80
BEND = 0.05
"""Maximum deformation of a pasted object per frame: standard deviation, relative to its size."""
BLUR_SHARE, COMPRESSED_SHARE = 0.15, 0.3
VANISHED_SHARE = 0.12
"""Fraction of the frames after the reference in which a pasted object is omitted, to learn that it is absent."""


@dataclass(frozen=True)
class RenderedClip:
    """A rendered clip: cached frames by index and, per object, its class and segmentations."""

    name: str
    hw: tuple[int, int]
    files: tuple[Path, ...]
    objects: tuple[tuple[Any, ...], ...]
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Sequence:
    """A training sample: the reference frame, then the following ones.

    Attributes:
        frames: (L, H, W, 3) uint8 RGB.
        masks: (L, N, H, W) uint8.
        visible: (L, N) bool.
        labels: (N,), classes of the objects.
    """

    frames: Array
    masks: Array
    visible: Array
    labels: Array


def load_clips(folder: Path, cache: Path, most: int | None = None) -> list[RenderedClip]:
    """The first `most` clips of a YouTube-VIS folder; their frames are written to `cache` as JPEG once."""
    document = json.loads((folder / "instances.json").read_text())
    by_video: dict[int, list[dict[str, Any]]] = {}
    for item in document["annotations"]:
        by_video.setdefault(item["video_id"], []).append(item)
    clips = []
    for video in document["videos"][:most]:
        name = Path(video["file_names"][0]).parts[0]
        found = by_video.get(video["id"], [])
        if found:
            files = tuple(cache / f"{name}-{i:05d}.jpg" for i in range(video["length"]))
            _cache(folder / "videos" / f"{name}.mp4", files)
            objects = tuple(tuple(item["segmentations"]) for item in found)
            labels = tuple(int(item["category_id"]) for item in found)
            clips.append(RenderedClip(name, (video["height"], video["width"]), files, objects, labels))
    return clips


def _cache(video: Path, files: tuple[Path, ...]) -> None:
    if files[-1].is_file():
        return
    files[0].parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(video)) as container:
        for path, frame in zip(files, container.decode(video=0), strict=False):
            cv2.imwrite(str(path), frame.to_ndarray(format="bgr24"), [cv2.IMWRITE_JPEG_QUALITY, 92])


def clip_sequence(clip: RenderedClip, length: int, rng: random.Random) -> Sequence | None:
    """`length` frames: a reference anywhere, the next frames close together, in either direction of time."""
    step = rng.choice((-1, 1)) * rng.randint(1, MOST_GAP)
    first = rng.randrange(len(clip.files))
    reference = first if rng.random() < 0.5 else rng.randrange(len(clip.files))
    indices = [reference] + [first + step * k for k in range(1, length)]
    if not all(0 <= index < len(clip.files) for index in indices):
        return None
    chosen = [i for i, masks in enumerate(clip.objects) if masks[indices[0]] is not None]
    rng.shuffle(chosen)
    chosen = chosen[:MOST_OBJECTS]
    base = _view(clip.hw, rng)
    frames, masks = [], []
    for index in indices:
        matrix = _small_motion(rng, 0.02) @ base
        frames.append(_warp(_read(clip.files[index]), matrix))
        masks.append([_warp_mask(clip.objects[i][index], clip.hw, matrix) for i in chosen])
    return _sequence(frames, masks, [clip.labels[i] for i in chosen], rng)


def still_sequence(picture: Picture, length: int, rng: random.Random) -> Sequence | None:
    """One photograph, slightly moved, scaled and rotated per frame: real texture with synthetic motion."""
    instances = [item for item in picture.instances if _large(item, picture.hw)]
    rng.shuffle(instances)
    matrix = _view(picture.hw, rng)
    motion = rng.uniform(0.02, 0.2)
    image = _read(picture.path)
    frames, masks = [], []
    for _ in range(length):
        frames.append(_warp(image, matrix))
        masks.append([_warp_mask(item.segmentation, picture.hw, matrix) for item in instances[:MOST_OBJECTS]])
        matrix = _small_motion(rng, motion) @ matrix
    return _sequence(frames, masks, [item.label for item in instances[:MOST_OBJECTS]], rng)


def pasted_sequence(picture: Picture, behind: Path, length: int, rng: random.Random) -> Sequence | None:
    """Objects of a photograph, each with its own motion, over another moving photograph.

    An object's visible part is its mask minus the objects pasted after it, so that objects occlude each other.
    """
    instances = [item for item in picture.instances if _large(item, picture.hw)]
    rng.shuffle(instances)
    instances = instances[:MOST_OBJECTS]
    image, background = _read(picture.path), _read(behind)
    base, ground = _view(picture.hw, rng), _view(background.shape[:2], rng)
    ways = [base for _ in instances]
    motion, camera = rng.uniform(0.04, 0.25), rng.uniform(0, 0.06)
    frames, masks = [], []
    for number in range(length):
        frame, found = _warp(background, ground), []
        for item, way in zip(instances, ways, strict=True):
            bend = _bend(rng, rng.uniform(0, BEND) * _size(item, way))
            mask = _bent(_warp_mask(item.segmentation, picture.hw, way), bend)
            if number and rng.random() < VANISHED_SHARE:
                mask = np.zeros_like(mask)
            frame = _pasted(frame, _bent(_warp(image, way), bend), mask)
            found = [earlier * (1 - mask) for earlier in found] + [mask]
        frames.append(frame)
        masks.append(found)
        ground = _small_motion(rng, camera) @ ground
        ways = [_around(item, way, _small_motion(rng, motion)) for item, way in zip(instances, ways, strict=True)]
    return _sequence(frames, masks, [item.label for item in instances], rng)


def _around(item: Instance, way: Array, motion: Array) -> Array:
    """The motion relative to the object's center, so that scaling and rotation do not move it out of the frame."""
    x1, y1, x2, y2 = item.box
    x, y, _ = way @ np.array([(x1 + x2) / 2, (y1 + y2) / 2, 1.0])
    height, width = FRAME_HW
    there = np.array([[1, 0, x - width / 2], [0, 1, y - height / 2], [0, 0, 1]])
    back = np.array([[1, 0, width / 2 - x], [0, 1, height / 2 - y], [0, 0, 1]])
    moved: Array = there @ motion @ back @ way
    return moved


def _size(item: Instance, way: Array) -> float:
    """Longer side of an object in the frame, px."""
    x1, y1, x2, y2 = item.box
    return float(max(x2 - x1, y2 - y1) * math.sqrt(abs(np.linalg.det(way[:2, :2]))))


def _bend(rng: random.Random, strength: float) -> Array:
    """A smooth random displacement (H, W, 2), px, since real objects are not rigid."""
    height, width = FRAME_HW
    coarse = np.random.default_rng(rng.getrandbits(32)).normal(0, strength, (6, 9, 2)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def _bent(image: Array, bend: Array) -> Array:
    y, x = np.mgrid[: FRAME_HW[0], : FRAME_HW[1]].astype(np.float32)
    return cv2.remap(image, x + bend[..., 0], y + bend[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _degraded(frame: Array, rng: random.Random) -> Array:
    """Occasional degradation of cameras and video: motion blur, defocus, strong compression."""
    if rng.random() < BLUR_SHARE:
        size = rng.choice((3, 5, 7))
        kernel = np.zeros((size, size), np.float32)
        kernel[size // 2 if rng.random() < 0.5 else slice(None), :] = 1
        frame = cv2.filter2D(frame, -1, kernel / kernel.sum())
    if rng.random() < COMPRESSED_SHARE:
        _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(25, 70)])
        frame = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return frame


def _pasted(frame: Array, moved: Array, mask: Array) -> Array:
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (3, 3), 0)[..., None]
    return (alpha * moved + (1 - alpha) * frame).astype(np.uint8)


def _large(item: Instance, hw: tuple[int, int]) -> bool:
    x1, y1, x2, y2 = item.box
    return (x2 - x1) * (y2 - y1) > 0.003 * hw[0] * hw[1]


def _sequence(frames: list[Array], masks: list[list[Array]], labels: list[int], rng: random.Random) -> Sequence | None:
    if not labels:
        return None
    stacked = np.array(masks, np.uint8)
    visible = stacked.sum((2, 3)) >= MIN_AREA
    keep = visible[0] & visible[1:].any(0)
    if not keep.any():
        return None
    style = rng.getrandbits(32)
    # the same illumination for the clip, except for an occasional frame
    recolored = [_recolor(frame, random.Random(style)) if rng.random() < 0.9 else frame for frame in frames]
    recolored = [_degraded(frame, rng) for frame in recolored]
    return Sequence(np.array(recolored), stacked[:, keep], visible[:, keep], np.array(labels)[keep])


def _view(hw: tuple[int, int], rng: random.Random) -> Array:
    height, width = FRAME_HW
    scale = max(height / hw[0], width / hw[1]) * rng.uniform(0.8, 1.5)
    x = rng.uniform(0, max(hw[1] * scale - width, 0))
    y = rng.uniform(0, max(hw[0] * scale - height, 0))
    matrix = np.array([[scale, 0, -x], [0, scale, -y], [0, 0, 1]])
    if rng.random() < 0.5:
        matrix = np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1]]) @ matrix
    return matrix


def _small_motion(rng: random.Random, strength: float) -> Array:
    """Shift, scale, stretch and rotate around the frame's center; `strength` is the shift relative to its height."""
    height, width = FRAME_HW
    angle = rng.gauss(0, strength * 0.6)
    scale = math.exp(rng.gauss(0, strength * 0.6))
    ratio = math.exp(rng.gauss(0, strength * 0.4))
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    to_middle = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    turn = np.array([[c * ratio, -s, 0], [s * ratio, c, 0], [0, 0, 1]])
    shift = np.array(
        [
            [1, 0, width / 2 + rng.gauss(0, strength) * height],
            [0, 1, height / 2 + rng.gauss(0, strength) * height],
            [0, 0, 1],
        ]
    )
    return shift @ turn @ to_middle


def _read(path: Path) -> Array:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def _warp(image: Array, matrix: Array) -> Array:
    return cv2.warpAffine(image, matrix[:2], FRAME_HW[::-1], flags=cv2.INTER_LINEAR, borderValue=(124, 116, 104))


def mask_of(segmentation: Any, hw: tuple[int, int]) -> Array:
    """Mask (H, W) uint8 of a COCO segmentation."""
    return _mask(Instance(-1, segmentation, (0, 0, 0, 0)), hw)


def _warp_mask(segmentation: Any, hw: tuple[int, int], matrix: Array) -> Array:
    if segmentation is None:
        return np.zeros(FRAME_HW, np.uint8)
    mask = mask_of(segmentation, hw)
    return cv2.warpAffine(mask, matrix[:2], FRAME_HW[::-1], flags=cv2.INTER_LINEAR)

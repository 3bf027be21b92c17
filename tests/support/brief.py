"""Clips of objects that are seen briefly, leave and return, or look alike, and the annotated set made of them.

    python -m tests.support.brief

writes `tests/data/brief`: `instances.json` and `videos/` as `dualtrack evaluate` reads them. The objects are plain
rectangles, which the fake networks detect and track. Masks are those of what is visible.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from service.inference.fake.detector import PALETTE
from service.structures.arrays import U8
from service.structures.masks import encode
from tests.support.scenes import Rectangle, draw

FOLDER = Path(__file__).parents[1] / "data/brief"
HW = (96, 160)
FPS = 10
CATEGORIES = {PALETTE[0]: (1, "person"), PALETTE[2]: (6, "sedan")}
"""Of the fake's colors 0 and 2: person and car of the bundled manifest."""
PERSON = Rectangle(PALETTE[0], 14, 20, 20, 34)
CAR = Rectangle(PALETTE[2], 20, 64, 36, 20)
OTHER_CAR = (80, 100, 190)
"""A color that the fake networks take for the car's, though not for the very same."""


@dataclass(frozen=True)
class BriefClip:
    """A clip, and what is of interest in it.

    Attributes:
        name: of its file.
        frames: their number.
        objects: with the category of each; later ones hide earlier ones.
        about: one sentence.
    """

    name: str
    frames: int
    objects: tuple[tuple[Rectangle, int], ...]
    about: str

    @property
    def rectangles(self) -> list[Rectangle]:
        """The objects without their categories."""
        return [rectangle for rectangle, _ in self.objects]

    def images(self) -> U8:
        """All frames, (T, h, w, 3) RGB."""
        return np.stack([draw(self.rectangles, t, HW) for t in range(self.frames)])

    def visible(self, number: int, frame: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """(h, w): the pixels of an object that no later one hides."""
        masks = [_covered(rectangle, frame) for rectangle in self.rectangles[number:]]
        hidden = np.any(masks[1:], axis=0) if masks[1:] else np.zeros(HW, np.bool_)
        return masks[0] & ~hidden


def seen(rectangle: Rectangle, frames: range, *stretches: Collection[int]) -> Rectangle:
    """The rectangle, hidden in all other frames of the clip than these."""
    there = {t for stretch in stretches for t in stretch}
    return replace(rectangle, hidden=[t for t in frames if t not in there])


def passing(color: tuple[int, int, int], first: int, y: int = 64) -> Rectangle:
    """A car that enters the frame on the left in frame `first` and crosses it at 20 px a frame, in nine frames."""
    return Rectangle(color, -20 - 20 * first, y, 36, 20, step_xy=(20, 0))


def _clips() -> Iterator[BriefClip]:
    sixty, long = range(60), range(300)
    person = (PERSON, 1)
    yield BriefClip(
        "passes", 120, (person, (passing(PALETTE[2], 55), 6)), "A car passes in 9 of 120 frames; a person stays."
    )
    yield BriefClip(
        "passes_at_a_border",
        300,
        (person, (seen(CAR, long, range(150, 160)), 6)),
        "A car is there in 10 of 300 frames, where two chunks of the default length overlap.",
    )
    yield BriefClip(
        "returns",
        60,
        (person, (seen(CAR, sixty, range(15), range(45, 60)), 6)),
        "A car is away for 30 frames and returns to its place.",
    )
    yield BriefClip(
        "gaps",
        60,
        (person, (seen(replace(CAR, step_xy=(1, 0)), sixty, *[range(t, t + 6) for t in range(0, 60, 8)]), 6)),
        "A moving car is out of sight for 2 of every 8 frames.",
    )
    far = Rectangle(OTHER_CAR, 104, 8, 36, 20)
    yield BriefClip(
        "replaced_by_another",
        60,
        (person, (seen(CAR, sixty, range(15)), 6), (seen(far, sixty, range(45, 60)), 6)),
        "A car leaves; 30 frames later another one, of another shade, is there at another place.",
    )
    near = replace(CAR, color=OTHER_CAR)
    yield BriefClip(
        "replaced_in_place",
        60,
        (person, (seen(CAR, sixty, range(15)), 6), (seen(near, sixty, range(45, 60)), 6)),
        "A car leaves; 30 frames later another one, of another shade, is at its place.",
    )
    left = Rectangle(PALETTE[2], 4, 56, 30, 20, step_xy=(2, 0))
    right = Rectangle(OTHER_CAR, 126, 64, 30, 20, step_xy=(-2, 0))
    yield BriefClip("look_alikes_cross", 60, (person, (left, 6), (right, 6)), "Two cars of different shades cross.")


CLIPS = {clip.name: clip for clip in _clips()}


def annotations(clips: Sequence[BriefClip]) -> dict[str, Any]:
    """The content of `instances.json`."""
    videos: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for number, clip in enumerate(clips, start=1):
        files = [f"{clip.name}/{t:05d}.jpg" for t in range(clip.frames)]
        size = {"height": HW[0], "width": HW[1], "length": clip.frames}
        videos.append({"id": number, "about": clip.about, **size, "file_names": files})
        for index, (_, category) in enumerate(clip.objects):
            masks = [clip.visible(index, t) for t in range(clip.frames)]
            rles = [encode(mask).json() if mask.any() else None for mask in masks]
            own = {"id": len(found) + 1, "video_id": number, "category_id": category, "iscrowd": 0}
            found.append({**own, "segmentations": rles})
    categories = [{"id": i, "name": name} for i, name in CATEGORIES.values()]
    return {"videos": videos, "categories": categories, "annotations": found}


def write(folder: Path) -> None:
    """Write the videos and `instances.json`."""
    (folder / "videos").mkdir(parents=True, exist_ok=True)
    for clip in CLIPS.values():
        _write_video(folder / "videos" / f"{clip.name}.mp4", clip.images())
    (folder / "instances.json").write_text(json.dumps(annotations(list(CLIPS.values()))) + "\n")


def _write_video(path: Path, images: U8) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"crf": "4", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = *HW, "yuv444p"
        for t, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = t, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def _covered(rectangle: Rectangle, frame: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    mask = np.zeros(HW, np.bool_)
    if frame not in rectangle.hidden:
        x1, y1, x2, y2 = (max(edge, 0) for edge in rectangle.box(frame))
        mask[y1:y2, x1:x2] = True
    return mask


if __name__ == "__main__":
    write(FOLDER)

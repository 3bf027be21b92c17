"""Candidates from a file in place of the detector's: COCO results, `image_id` the index of the frame."""

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from dualtrack.errors import InvalidDetections
from dualtrack.result.model import Category
from service.inference.repository.manifest import OWN, ModelClass
from service.media.frames.frame_source import FrameSource
from service.media.video_info import VideoInfo
from service.pipeline.categories.class_vector import ClassVector
from service.pipeline.categories.tables import TABLES, category_table
from service.pipeline.detection.box_masks import masks_of_boxes
from service.pipeline.detection.bundled import strongest
from service.pipeline.features.by_frame import FeatureCache
from service.pipeline.networks import Networks
from service.pipeline.parameters.params import DetectorParams
from service.structures.arrays import F32, Bool
from service.structures.boxes import clip as clip_boxes
from service.structures.canvas import Canvas
from service.structures.detections import Candidate, Detections
from service.structures.masks import Rle, bounding_box, filled, from_coco

MOST_CATEGORIES = 5000
MOST_SCORES = 50_000_000
"""Of all class vectors of a file together: 200 MB."""
MOST_RELATIVE = 1.5
"""A share of the frame is at most 1, or a little more where an object is cut off by the border."""
Score = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[float, Field(gt=0, le=1e6)]
Coordinate = Annotated[float, Field(ge=-1e6, le=1e6)]
T = TypeVar("T")


class CategoryRecord(BaseModel):
    """One entry of the file's `categories`."""

    id: int
    name: Annotated[str, Field(min_length=1, max_length=200)]


class DetectionRecord(BaseModel):
    """One detection as COCO's results have it; other members are left alone.

    Attributes:
        image_id: index of the frame, from 0.
        bbox: x y width height in pixels of the frame after rotation; may be left out where there is a mask.
        segmentation: RLE or polygons of the frame's size.
        scores: the whole class vector, in the order of the categories; in place of `category_id` and `score`.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    image_id: Annotated[int, Field(ge=0)]
    category_id: int | None = None
    score: Score | None = None
    bbox: tuple[Coordinate, Coordinate, Side, Side] | None = None
    segmentation: dict[str, Any] | list[Any] | None = None
    scores: list[Score] | None = None


@dataclass(frozen=True, eq=False)
class GivenDetections:
    """The candidates of a file; see `Detector`.

    Attributes:
        vector: its classes; the source is the file's content.
        frames: every frame's candidates, as the file has them; without a mask the filled box stands for it.
        boxes_only: for each frame (N,), which of them have no mask.
    """

    vector: ClassVector
    frames: tuple[Detections, ...]
    boxes_only: tuple[Bool, ...]

    @property
    def source(self) -> str:
        """See `Detector.source`."""
        return self.vector.source

    async def detect(
        self,
        clip: FrameSource,
        canvas: Canvas,
        networks: Networks,
        params: DetectorParams,
        features: FeatureCache,
    ) -> AsyncIterator[Detections]:
        """See `Detector.detect`: threshold and cap count as for a detector."""
        for place, index in enumerate(clip.indices):
            if index >= len(self.frames):
                # the decoder found more frames than the probe had counted packets
                yield _joined(place, [], len(self.vector.classes))
                continue
            frame, boxes_only = replace(self.frames[index], frame=place), self.boxes_only[index]
            keep = strongest(frame.probs, params)
            kept = frame.select(keep)
            missing = np.flatnonzero(boxes_only[keep])
            if len(missing):
                here = await features.get(frame.frame)
                made = await masks_of_boxes(kept.boxes[missing], here, canvas, networks)
                replaced = dict(zip(missing.tolist(), made, strict=True))
                kept = replace(kept, masks=tuple(replaced.get(i, mask) for i, mask in enumerate(kept.masks)))
            yield kept


def read_detections(path: Path, video: VideoInfo, known: ClassVector) -> GivenDetections:
    """Read and check a file of detections.

    Args:
        path: a JSON list of records, whose `category_id`s are those of the detector's results; or an object with
            `annotations`, such a list, and `categories`: a list of `id` and `name`, or a bundled set's name.
        video: what the detections are of.
        known: the detector's classes, which a bare list means.

    Raises:
        InvalidDetections: the file can't be used; the message names the record, what was wanted and what came.
    """
    try:
        content = path.read_bytes()
        document = json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidDetections(f"detections: expected a JSON file: {error}") from error
    # what a bare list means depends on the detector, too
    source = f"detections {hashlib.sha256(content).hexdigest()}"
    vector = replace(known, source=f"{source} {known.source}")
    if isinstance(document, dict):
        vector = _vector(source, document.get("categories"))
        document = document.get("annotations")
    if not isinstance(document, list):
        wanted = "a list of records, or an object with the lists 'categories' and 'annotations'"
        raise InvalidDetections(f"detections: expected {wanted}, got {type(document).__name__}")
    if len(document) * len(vector.classes) > MOST_SCORES:
        most = MOST_SCORES // len(vector.classes)
        wanted = f"at most {most} records with {len(vector.classes)} categories each"
        raise InvalidDetections(f"detections: expected {wanted}, got {len(document)}")
    reader = _Reader(vector.categories, video)
    found: list[list[Candidate]] = [[] for _ in range(video.frames)]
    boxes_only: list[list[bool]] = [[] for _ in range(video.frames)]
    records = _valid(list[DetectionRecord], document, "record")
    _check_pixels(records)
    for index, record in enumerate(records):
        candidate = reader.candidate(index, record)
        found[candidate.frame].append(candidate)
        boxes_only[candidate.frame].append(not record.segmentation)
    frames = tuple(_joined(frame, rows, len(vector.classes)) for frame, rows in enumerate(found))
    return GivenDetections(vector, frames, tuple(np.array(flags, np.bool_) for flags in boxes_only))


class _Reader:
    """Records of one video -> candidates."""

    def __init__(self, categories: Sequence[Category], video: VideoInfo) -> None:
        self._columns = {category.id: column for column, category in enumerate(categories)}
        self._frames, self._hw = video.frames, (video.height, video.width)

    def candidate(self, index: int, record: DetectionRecord) -> Candidate:
        """The candidate of record number `index`."""
        if record.image_id >= self._frames:
            raise _wrong(index, "image_id", f"a frame from 0 to {self._frames - 1}", record.image_id)
        mask = self._mask(index, record.segmentation)
        box = self._box(index, record, mask)
        return Candidate(record.image_id, box, self._probs(index, record), mask or filled(box, self._hw))

    def _mask(self, index: int, segmentation: object) -> Rle | None:
        if not segmentation:
            return None
        try:
            return from_coco(segmentation, self._hw)
        except ValueError as error:
            raise InvalidDetections(f"detections: record {index}: segmentation: {error}") from error

    def _box(self, index: int, record: DetectionRecord, mask: Rle | None) -> F32:
        if record.bbox is None:
            if mask is None:
                raise _wrong(index, "bbox", "x y width height, or a segmentation", None)
            return bounding_box(mask)
        x, y, width, height = record.bbox
        box: F32 = clip_boxes(np.array([[x, y, x + width, y + height]], np.float32), self._hw)[0]
        if box[2] <= box[0] or box[3] <= box[1]:
            frame = f"a box inside the frame of {self._hw[1]} x {self._hw[0]} pixels"
            raise _wrong(index, "bbox", frame, list(record.bbox))
        return box

    def _probs(self, index: int, record: DetectionRecord) -> F32:
        count = len(self._columns)
        if record.scores is not None:
            if len(record.scores) != count:
                raise _wrong(index, "scores", f"{count} numbers, one per category", f"{len(record.scores)} numbers")
            return np.array(record.scores, np.float32)
        if record.score is None:
            raise _wrong(index, "score", "a number from 0 to 1, or 'scores'", None)
        column = self._columns.get(-1 if record.category_id is None else record.category_id)
        if column is None:
            some = ", ".join(str(number) for number in list(self._columns)[:5])
            raise _wrong(index, "category_id", f"one of the {count} category ids ({some}, …)", record.category_id)
        probs = np.zeros(count, np.float32)
        probs[column] = record.score
        return probs


def _check_pixels(records: Sequence[DetectionRecord]) -> None:
    """Refuse boxes and polygons that are shares of the frame: each would be less than a pixel large.

    A single box in the frame's corner may be so small; a file of which no box and no polygon reaches further is wrong.
    """
    boxes = [(x, y, x + width, y + height) for x, y, width, height in (r.bbox for r in records if r.bbox is not None)]
    polygons = [part for r in records if isinstance(r.segmentation, list) for part in r.segmentation]
    for field, numbers in (("bbox", boxes), ("segmentation", polygons)):
        if numbers and all(_relative(part) for part in numbers):
            raise InvalidDetections(
                f"detections: {field}: expected pixels of the frame, got shares of it: no value is above "
                f"{MOST_RELATIVE}, the first {field} is {list(numbers[0])!r:.80}"
            )


def _relative(numbers: object) -> bool:
    return isinstance(numbers, list | tuple) and all(
        isinstance(number, int | float) and abs(number) <= MOST_RELATIVE for number in numbers
    )


def _vector(source: str, value: object) -> ClassVector:
    """The file's own categories, or those of the bundled set that it names."""
    for name in TABLES:
        if value == name:
            table = category_table(name)
            return ClassVector(source, tuple(ModelClass(text, name) for text in table.names), table.categories)
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_CATEGORIES:
        wanted = f"a list of 1 to {MOST_CATEGORIES} entries with 'id' and 'name', or one of {', '.join(TABLES)}"
        raise InvalidDetections(f"detections: categories: expected {wanted}, got {value!r:.80}")
    records = _valid(list[CategoryRecord], value, "categories: entry")
    if len({record.id for record in records}) != len(records):
        raise InvalidDetections("detections: categories: expected unique ids, got a duplicate")
    categories = tuple(Category(record.id, record.name) for record in records)
    return ClassVector(source, tuple(ModelClass(category.name, OWN) for category in categories), categories)


def _joined(frame: int, rows: Sequence[Candidate], classes: int) -> Detections:
    return Detections(
        frame,
        np.array([row.box for row in rows], np.float32).reshape(len(rows), 4),
        np.array([row.probs for row in rows], np.float32).reshape(len(rows), classes),
        tuple(row.mask for row in rows),
    )


def _valid(kind: type[T], value: object, entry: str) -> T:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        index, *field = first["loc"]
        where = ".".join(str(part) for part in field)
        message = f"{where}: {first['msg']}, got {first['input']!r:.80}" if where else f"{first['msg']}"
        raise InvalidDetections(f"detections: {entry} {index}: {message}") from error


def _wrong(index: int, field: str, wanted: str, got: object) -> InvalidDetections:
    came = "nothing" if got is None else got
    return InvalidDetections(f"detections: record {index}: {field}: expected {wanted}, got {came}")

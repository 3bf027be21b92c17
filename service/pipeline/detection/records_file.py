"""A file of detections, read and checked record by record: COCO results, `image_id` the frame.

Reading draws no mask (see `records`), so what a file costs depends on its bytes, not on the size of the frames.
`check.py` runs this in a process with limits.
"""

import hashlib
import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from dualtrack.errors import InvalidDetections
from dualtrack.result.model import Category
from service.inference.repository.manifest import OWN, ModelClass
from service.pipeline.categories.class_vector import ClassVector
from service.pipeline.categories.tables import TABLES, category_table
from service.pipeline.detection.json_text import JsonText
from service.pipeline.detection.records import POLYGONS, WHOLE_VECTOR, Records
from service.pipeline.parameters.exact import NUMBER
from service.structures.boxes import clip as clip_boxes
from service.structures.masks import from_coco, is_polygons

MOST_CATEGORIES = 5000
MOST_PER_FRAME = 1000
"""Records; COCO's evaluation reads 100 per image, and detectors give some hundreds."""
MOST_SCORES = 50_000_000
"""Of all class vectors of a file together: 200 MB."""
MOST_RELATIVE = 1.5
"""A share of the frame is at most 1, or a little more where an object is cut off by the border."""
REPORT_EVERY = 10_000
Whole = Annotated[int, NUMBER]
Score = Annotated[float, NUMBER, Field(ge=0, le=1)]
Side = Annotated[float, NUMBER, Field(gt=0, le=1e6)]
Coordinate = Annotated[float, NUMBER, Field(ge=-1e6, le=1e6)]


class CategoryRecord(BaseModel):
    """One entry of the file's `categories`."""

    id: Whole
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

    image_id: Annotated[int, NUMBER, Field(ge=0)]
    category_id: Whole | None = None
    score: Score | None = None
    bbox: tuple[Coordinate, Coordinate, Side, Side] | None = None
    segmentation: dict[str, Any] | list[Any] | None = None
    scores: list[Score] | None = None


RECORD, CATEGORIES = TypeAdapter(DetectionRecord), TypeAdapter(list[CategoryRecord])


def read_records(
    path: Path, frames: int, size_hw: tuple[int, int], known: ClassVector, report: Any = lambda _: None
) -> tuple[Records, ClassVector]:
    """Read and check a file of detections.

    Args:
        path: a JSON list of records, whose `category_id`s are those of the detector's results; or an object with
            `annotations`, such a list, and `categories`: a list of `id` and `name`, or a bundled set's name.
        frames: how many the video has.
        size_hw: height and width of a frame.
        known: the detector's classes, which a bare list means.
        report: called with the number of records now and then.

    Returns:
        The records, and what their class vectors mean.

    Raises:
        InvalidDetections: the file can't be used; the message names the record, what was wanted and what came.
    """
    try:
        content = path.read_bytes()
        text = JsonText(content)
        document = text.outline("annotations")
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidDetections(f"detections: expected a JSON file: {error}") from error
    # what a bare list means depends on the detector, too
    source = f"detections {hashlib.sha256(content).hexdigest()}"
    del content
    vector = replace(known, source=f"{source} {known.source}")
    if isinstance(document, dict):
        vector = _vector(source, document.get("categories"))
        document = document.get("annotations")
    if not isinstance(document, range):
        wanted = "a list of records, or an object with the lists 'categories' and 'annotations'"
        raise InvalidDetections(f"detections: expected {wanted}, got {type(document).__name__}")
    reader = _Reader(vector.categories, frames, size_hw)
    try:
        for index, value in enumerate(text.elements(document)):
            reader.add(index, value)
            if index % REPORT_EVERY == 0:
                report(index)
    except (ValueError, RecursionError) as error:
        raise InvalidDetections(f"detections: expected a JSON file: {error}") from error
    return reader.finish(), vector


@dataclass(slots=True)
class _Reader:
    """Records of one video, as they come."""

    categories: Sequence[Category]
    frames: int
    size_hw: tuple[int, int]
    _frame: "array[int]" = field(default_factory=lambda: array("q"))
    _boxes: "array[float]" = field(default_factory=lambda: array("d"))
    _columns: "array[int]" = field(default_factory=lambda: array("i"))
    _scores: "array[float]" = field(default_factory=lambda: array("d"))
    _vectors: "array[float]" = field(default_factory=lambda: array("f"))
    _masks: list[bytes] = field(default_factory=list)
    _per_frame: dict[int, int] = field(default_factory=dict)
    _relative: dict[str, object] = field(default_factory=dict)
    _column_of: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._column_of = {category.id: column for column, category in enumerate(self.categories)}

    def add(self, index: int, value: object) -> None:
        """Check record number `index`."""
        record = _valid_record(index, value)
        if record.image_id >= self.frames:
            raise _wrong(index, "image_id", f"a frame from 0 to {self.frames - 1}", record.image_id)
        count = self._per_frame[record.image_id] = self._per_frame.get(record.image_id, 0) + 1
        if count > MOST_PER_FRAME:
            raise _wrong(
                index, "image_id", f"at most {MOST_PER_FRAME} records of a frame", f"more of frame {record.image_id}"
            )
        if (index + 1) * len(self.categories) > MOST_SCORES:
            most = MOST_SCORES // len(self.categories)
            wanted = f"at most {most} records with {len(self.categories)} categories each"
            raise InvalidDetections(f"detections: expected {wanted}, got more")
        mask = self._mask(index, record.segmentation)
        self._frame.append(record.image_id)
        self._masks.append(mask)
        self._boxes.extend(self._box(index, record, has_mask=bool(mask)))
        self._add_scores(index, record)

    def finish(self) -> Records:
        """All of them, by frame."""
        for name, first in self._relative.items():
            if first is not None:
                raise InvalidDetections(
                    f"detections: {name}: expected pixels of the frame, got shares of it: no value is above "
                    f"{MOST_RELATIVE}, the first {name} is {first!r:.80}"
                )
        frame = np.frombuffer(self._frame, np.int64) if self._frame else np.zeros(0, np.int64)
        order = np.argsort(frame, kind="stable")
        masks = [self._masks[i] for i in order]
        counts = np.bincount(frame, minlength=self.frames)
        return Records(
            self.size_hw,
            ends=np.cumsum(counts, dtype=np.int64),
            boxes=np.array(self._boxes, np.float32).reshape(-1, 4)[order],
            columns=np.array(self._columns, np.int32)[order],
            scores=np.array(self._scores, np.float64)[order],
            vectors=np.array(self._vectors, np.float32).reshape(-1, len(self.categories)),
            masks=b"".join(masks),
            mask_ends=np.cumsum([len(mask) for mask in masks], dtype=np.int64),
        )

    def _mask(self, index: int, segmentation: object) -> bytes:
        """A mask as it is kept; nothing without one."""
        if not segmentation:
            return b""
        if is_polygons(segmentation):
            self._note_units(
                "segmentation", (number for polygon in segmentation for number in polygon), segmentation[0]
            )
            return POLYGONS + json.dumps(segmentation, separators=(",", ":")).encode()
        try:
            return from_coco(segmentation, self.size_hw).counts
        except ValueError as error:
            raise InvalidDetections(f"detections: record {index}: segmentation: {error}") from error

    def _box(self, index: int, record: DetectionRecord, *, has_mask: bool) -> tuple[float, float, float, float]:
        if record.bbox is None:
            if not has_mask:
                raise _wrong(index, "bbox", "x y width height, or a segmentation", None)
            return (np.nan,) * 4
        x, y, width, height = record.bbox
        self._note_units("bbox", (x, y, x + width, y + height), list(record.bbox))
        x1, y1, x2, y2 = clip_boxes(np.array([[x, y, x + width, y + height]], np.float32), self.size_hw)[0].tolist()
        if x2 <= x1 or y2 <= y1:
            frame = f"a box inside the frame of {self.size_hw[1]} x {self.size_hw[0]} pixels"
            raise _wrong(index, "bbox", frame, list(record.bbox))
        return (x1, y1, x2, y2)

    def _add_scores(self, index: int, record: DetectionRecord) -> None:
        count = len(self.categories)
        if record.scores is not None:
            if len(record.scores) != count:
                raise _wrong(index, "scores", f"{count} numbers, one per category", f"{len(record.scores)} numbers")
            self._columns.append(WHOLE_VECTOR)
            self._scores.append(len(self._vectors) // count)
            self._vectors.extend(record.scores)
            return
        if record.score is None:
            raise _wrong(index, "score", "a number from 0 to 1, or 'scores'", None)
        column = self._column_of.get(-1 if record.category_id is None else record.category_id)
        if column is None:
            some = ", ".join(str(number) for number in list(self._column_of)[:5])
            raise _wrong(index, "category_id", f"one of the {count} category ids ({some}, …)", record.category_id)
        self._columns.append(column)
        self._scores.append(record.score)

    def _note_units(self, name: str, numbers: Any, value: object) -> None:
        """Remember the first value of a member while all of it could be shares of the frame.

        A single box in the frame's corner may be so small; a file in which none reaches further is wrong.
        """
        if self._relative.get(name, value) is not None:
            within = all(abs(number) <= MOST_RELATIVE for number in numbers)
            self._relative[name] = self._relative.get(name, value) if within else None


def _valid_record(index: int, value: object) -> DetectionRecord:
    try:
        return RECORD.validate_python(value)
    except ValidationError as error:
        raise _invalid(f"record {index}", error) from error


def _vector(source: str, value: object) -> ClassVector:
    """The file's own categories, or those of the bundled set that it names."""
    for name in TABLES:
        if value == name:
            table = category_table(name)
            return ClassVector(source, tuple(ModelClass(text, name) for text in table.names), table.categories)
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_CATEGORIES:
        wanted = f"a list of 1 to {MOST_CATEGORIES} entries with 'id' and 'name', or one of {', '.join(TABLES)}"
        raise InvalidDetections(f"detections: categories: expected {wanted}, got {value!r:.80}")
    try:
        records = CATEGORIES.validate_python(value)
    except ValidationError as error:
        raise _invalid("categories: entry", error) from error
    if len({record.id for record in records}) != len(records):
        raise InvalidDetections("detections: categories: expected unique ids, got a duplicate")
    categories = tuple(Category(record.id, record.name) for record in records)
    return ClassVector(source, tuple(ModelClass(category.name, OWN) for category in categories), categories)


def _invalid(entry: str, error: ValidationError) -> InvalidDetections:
    """What pydantic says of an entry, in our words; a list's entries are numbered by it."""
    first = error.errors()[0]
    index, field_names = ("", list(first["loc"]))
    if field_names and isinstance(field_names[0], int) and entry.endswith("entry"):
        index, field_names = f" {field_names[0]}", field_names[1:]
    where = ".".join(str(part) for part in field_names)
    message = f"{where}: {first['msg']}, got {first['input']!r:.80}" if where else f"{first['msg']}"
    return InvalidDetections(f"detections: {entry}{index}: {message}")


def _wrong(index: int, name: str, wanted: str, got: object) -> InvalidDetections:
    came = "nothing" if got is None else got
    return InvalidDetections(f"detections: record {index}: {name}: expected {wanted}, got {came}")

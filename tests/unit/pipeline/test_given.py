"""Detections as a file: what is taken, and how what is not is named."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dualtrack.errors import InvalidDetections
from service.inference.repository.manifest import ModelClass
from service.media.video_info import VideoInfo
from service.pipeline.categories.class_vector import ClassVector, counted
from service.pipeline.detection.given import GivenDetections
from service.pipeline.detection.records import Records, unpack_records
from service.pipeline.detection.records_file import MOST_CATEGORIES, MOST_PER_FRAME, MOST_SCORES, read_records
from service.pipeline.parameters.params import DetectorParams
from service.structures.detections import Detections
from service.structures.masks import area, decode, encode, filled, from_coco
from tests.unit.builders import HW, mask

VIDEO = VideoInfo("mp4", "h264", HW[1], HW[0], 3, 0.3, 10.0, 0, False, 1)
PERSON_CAR = (ModelClass("person", "coco"), ModelClass("car", "coco"))
BOX = {"image_id": 0, "category_id": 1, "bbox": [5, 5, 10, 10], "score": 0.5}
KNOWN = counted("weights 1", PERSON_CAR)


class Found:
    """What a file's records come to, frame by frame: all of them, with the filled box where there is no mask."""

    def __init__(self, records: Records, vector: ClassVector) -> None:
        self.records, self.vector = records, vector
        self.frames = [self._frame(frame) for frame in range(VIDEO.frames)]

    def _frame(self, frame: int) -> Detections:
        rows = self.records.of_frame(frame)
        masks = [self.records.mask(row) for row in rows]
        boxes = [self.records.box(row, item) for row, item in zip(rows, masks, strict=True)]
        whole = tuple(filled(box, HW) if item is None else item for box, item in zip(boxes, masks, strict=True))
        return Detections(frame, np.array(boxes, np.float32).reshape(-1, 4), self.records.probs(rows), whole)


def read(folder: Path, document: object) -> Found:
    file = folder / "detections.json"
    file.write_text(json.dumps(document))
    return read_file(file)


def read_file(file: Path) -> Found:
    """By way of the bytes that an engine reads."""
    return Found(*unpack_records(Records.pack(*read_records(file, VIDEO.frames, HW, KNOWN))))


def test_box_and_score_become_a_filled_mask_and_one_entry_of_the_vector(tmp_path: Path) -> None:
    found = read(tmp_path, [{**BOX, "image_id": 2, "category_id": 2, "bbox": [5.5, 5, 9.5, 10]}])
    assert [len(frame) for frame in found.frames] == [0, 0, 1]
    frame = found.frames[2]
    assert frame.boxes.tolist() == [[5.5, 5, 15, 15]]
    assert frame.probs.tolist() == [[0, 0.5]]
    assert decode(frame.masks[0]).sum() == 100
    assert [(item.id, item.name) for item in found.vector.categories] == [(1, "person"), (2, "car")]


def test_whole_vector_and_mask(tmp_path: Path) -> None:
    rle = mask(20).json()
    found = read(tmp_path, [{"image_id": 1, "segmentation": rle, "scores": [0.25, 0.75]}])
    assert found.frames[1].probs.tolist() == [[0.25, 0.75]]
    assert found.frames[1].masks[0].json() == rle
    assert found.frames[1].boxes.tolist() == [[20, 5, 30, 15]]


def test_polygons_and_run_lengths_as_lists(tmp_path: Path) -> None:
    polygon = [[20, 5, 30, 5, 30, 15, 20, 15]]
    runs = [20 * HW[0], 10, HW[0] * HW[1] - 20 * HW[0] - 10]
    listed = {"size": list(HW), "counts": runs}
    found = read(tmp_path, [{**BOX, "segmentation": polygon}, {**BOX, "segmentation": listed}])
    assert [area(item) for item in found.frames[0].masks] == [100, 10]


def test_a_box_in_the_corner_may_be_small_beside_others(tmp_path: Path) -> None:
    found = read(tmp_path, [{**BOX, "bbox": [0, 0, 1, 1]}, BOX])
    assert len(found.frames[0]) == 2


def test_own_categories_and_those_of_a_bundled_set(tmp_path: Path) -> None:
    own = read(tmp_path, {"categories": [{"id": 7, "name": "crab"}], "annotations": [{**BOX, "category_id": 7}]})
    assert ([item.name for item in own.vector.classes], own.vector.categories[0].id) == (["crab"], 7)
    coco = read(tmp_path, {"categories": "coco", "annotations": [{**BOX, "category_id": 90}]})
    assert coco.vector.classes[coco.frames[0].labels[0]] == ModelClass("toothbrush", "coco")


def test_no_detections_at_all(tmp_path: Path) -> None:
    assert [frame.probs.shape for frame in read(tmp_path, []).frames] == [(0, 2)] * 3


def test_a_clip_may_have_more_frames_than_the_probe_counted(tmp_path: Path) -> None:
    given_file = read(tmp_path, [{**BOX, "segmentation": mask(20).json()}])
    assert [len(frame) for frame in detected(given_file, VIDEO.frames + 2)] == [1, 0, 0, 0, 0]


def test_a_category_with_a_score_is_no_class_vector(tmp_path: Path) -> None:
    rle = mask(20).json()
    given_file = read(
        tmp_path, [{**BOX, "segmentation": rle}, {"image_id": 0, "scores": [0.25, 0.75], "segmentation": rle}]
    )
    (found, *_) = detected(given_file, VIDEO.frames)
    assert found.probs.tolist() == [[0.25, 0.75], [0.5, 0]]
    assert found.raw.tolist() == [[0.25, 0.75], [0, 0]]


def detected(given_file: Found, frames: int) -> list[Detections]:
    """What the pipeline gets of a file whose records all have masks."""
    clip: Any = SimpleNamespace(indices=range(frames))
    nothing: Any = None

    async def work() -> list[Detections]:
        found = GivenDetections(given_file.vector, given_file.records)
        return [frame async for frame in found.detect(clip, nothing, nothing, DetectorParams(), nothing)]

    return asyncio.run(work())


def test_members_may_come_in_any_order_and_encoding(tmp_path: Path) -> None:
    spaced = '\n{ "info" : {"a": [1, {}]}, "annotations" : [ %s , %s ] , "categories" : "coco" }\n'
    text = spaced % (json.dumps({**BOX, "image_id": 2}), json.dumps(BOX))
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32-le"):
        (tmp_path / "a.json").write_bytes(text.encode(encoding))
        found = read_file(tmp_path / "a.json")
        assert [len(frame) for frame in found.frames] == [1, 0, 1]
        assert found.vector.categories[0].id == 1
    (tmp_path / "a.json").write_bytes(b'{"annotations": 5, "annotations": [], "categories": "coco"}')
    assert [len(frame) for frame in read_file(tmp_path / "a.json").frames] == [0, 0, 0]


def test_records_of_a_frame_stay_in_the_files_order(tmp_path: Path) -> None:
    scores, frames = [0.1, 0.2, 0.3, 0.4, 0.5], [2, 0, 2, 1, 0]
    records = [{**BOX, "image_id": t, "score": score} for t, score in zip(frames, scores, strict=True)]
    records[2] = {**records[2], "scores": [0.25, 0.75]}
    found = read(tmp_path, records)
    for frame, wanted in zip(found.frames, [[0.2, 0.5], [0.4], [0.1, 0.75]], strict=True):
        assert frame.scores == pytest.approx(wanted)


def test_reading_draws_no_mask(tmp_path: Path) -> None:
    """What a record is kept as does not depend on the size of the frame."""
    records = [{**BOX, "image_id": t} for t in range(3)]
    records[1] = {**records[1], "segmentation": [[0, 0, 1e4, 0, 1e4, 1e4, 0, 1e4]]}
    file = tmp_path / "detections.json"
    file.write_text(json.dumps(records))
    small, large = (read_records(file, 3, hw, KNOWN)[0] for hw in (HW, (4096, 2304)))
    assert small.masks == large.masks == b" [[0,0,10000.0,0,10000.0,10000.0,0,10000.0]]"


def test_version_distinguishes_contents_and_meanings(tmp_path: Path) -> None:
    documents: list[object] = [[BOX], [{**BOX, "score": 0.6}], {"categories": "coco", "annotations": [BOX]}]
    versions = [read(tmp_path, document).vector.source for document in documents]
    assert len(set(versions)) == 3
    assert "weights 1" in versions[0]
    assert "weights 1" not in versions[2]


RLE = {"size": list(HW), "counts": mask(5).json()["counts"]}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        pytest.param("text", "expected a list of records", id="text"),
        pytest.param({"annotations": []}, "categories: expected a list of 1 to", id="no-categories"),
        pytest.param({"categories": "lvis", "annotations": []}, "got 'lvis'", id="unknown-set"),
        pytest.param({"categories": [{"id": 1}], "annotations": []}, "categories: entry 0: name: Field", id="no-name"),
        pytest.param(
            {"categories": [{"id": 1, "name": "a"}] * 2, "annotations": []}, "expected unique ids", id="id-twice"
        ),
        pytest.param(
            {"categories": [{"id": i, "name": "a"} for i in range(MOST_CATEGORIES + 1)], "annotations": []},
            f"categories: expected a list of 1 to {MOST_CATEGORIES} entries",
            id="too-many-categories",
        ),
        pytest.param(
            {"categories": [{"id": 1, "name": "a" * 201}], "annotations": []},
            "categories: entry 0: name: String should have at most 200 characters",
            id="long-name",
        ),
        pytest.param({"categories": "coco"}, "got NoneType", id="no-annotations"),
        pytest.param([BOX, 5], "record 1: Input should be", id="no-object"),
        pytest.param([BOX, {**BOX, "image_id": 3}], "record 1: image_id: expected a frame from 0 to 2, got 3", id="frame"),
        pytest.param([{**BOX, "image_id": -1}], "record 0: image_id", id="negative-frame"),
        pytest.param([{**BOX, "category_id": 3}], "record 0: category_id: expected one of the 2", id="category"),
        pytest.param([{"image_id": 0, "bbox": [0, 0, 5, 5]}], "record 0: score: expected a number", id="no-score"),
        pytest.param([{**BOX, "score": 1.5}], "record 0: score: Input should be less than or equal to 1, got 1.5", id="score"),
        pytest.param([{**BOX, "score": float("nan")}], "record 0: score", id="nan"),
        pytest.param([{**BOX, "image_id": "0"}], "record 0: image_id: Input should be a valid number, got '0'", id="text-frame"),
        pytest.param([{**BOX, "image_id": True}], "record 0: image_id: Input should be a valid number", id="true-frame"),
        pytest.param([{**BOX, "category_id": "1"}], "record 0: category_id: Input should be a valid", id="text-category"),
        pytest.param([{**BOX, "score": "0.5"}], "record 0: score: Input should be a valid number", id="text-score"),
        pytest.param([{**BOX, "score": True}], "record 0: score: Input should be a valid number", id="true-score"),
        pytest.param([{**BOX, "scores": ["0.5", 0]}], "record 0: scores.0: Input should be a valid number", id="text-scores"),
        pytest.param([{**BOX, "bbox": ["5", 5, 5, 5]}], "record 0: bbox.0: Input should be a valid number", id="text-box"),
        pytest.param([{**BOX, "bbox": [5, 5, 5, True]}], "record 0: bbox.3: Input should be a valid number", id="true-box"),
        pytest.param(
            {"categories": [{"id": "1", "name": "a"}], "annotations": []}, "entry 0: id: Input should be", id="text-id"
        ),
        pytest.param([{**BOX, "bbox": [0, 0, 5]}], "record 0: bbox", id="three-numbers"),
        pytest.param([{**BOX, "bbox": [0, 0, 0, 5]}], "record 0: bbox", id="no-width"),
        pytest.param([{**BOX, "bbox": [90, 0, 5, 5]}], "inside the frame of 60 x 40 pixels, got [90.0", id="outside"),
        pytest.param([{"image_id": 0, "category_id": 1, "score": 1}], "record 0: bbox: expected x y", id="nowhere"),
        pytest.param([{**BOX, "scores": [1.0]}], "record 0: scores: expected 2 numbers", id="short-vector"),
        pytest.param(
            [{**BOX, "bbox": [0.45, 0.3, 0.1, 0.4]}, {**BOX, "bbox": [0, 0, 1, 1.1]}],
            "bbox: expected pixels of the frame, got shares of it: no value is above 1.5, the first bbox is [0.45, 0.3, 0.1, 0.4]",
            id="relative",
        ),
        pytest.param(
            [{**BOX, "segmentation": [[0.1, 0.1, 0.5, 0.1, 0.5, 0.9]]}],
            "segmentation: expected pixels of the frame, got shares of it",
            id="relative-polygon",
        ),
        pytest.param([{**BOX, "segmentation": {**RLE, "size": [1, 1]}}], "expected an RLE of size [40, 60]", id="size"),
        pytest.param([{**BOX, "segmentation": {**RLE, "counts": "5"}}], "whose runs cover 40 x 60 pixels, got '5'", id="runs"),
        pytest.param([{**BOX, "segmentation": {**RLE, "counts": [-1, 2401]}}], "got [-1, 2401]", id="negative-run"),
        pytest.param(
            [BOX, *[{**BOX, "image_id": 1}] * (MOST_PER_FRAME + 1)],
            f"record {MOST_PER_FRAME + 1}: image_id: expected at most {MOST_PER_FRAME} records of a frame, got more of frame 1",
            id="too-many-in-a-frame",
        ),
        pytest.param({"categories": "coco", "annotations": {}}, "got dict", id="no-list"),
        pytest.param([{**BOX, "segmentation": [[1, 2, 3]]}], "polygons of at least three points", id="polygon"),
        pytest.param([{**BOX, "segmentation": [[0, 0, 1e9, 0, 1e9, 1e9]]}], "polygons", id="huge-polygon"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(document: object, said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidDetections) as error:
        read(tmp_path, document)
    assert said in error.value.detail


def test_the_class_vectors_of_a_file_are_bounded_together(tmp_path: Path) -> None:
    most = MOST_SCORES // MOST_CATEGORIES
    records = [{**BOX, "image_id": i // MOST_PER_FRAME} for i in range(most + 1)]
    categories = [{"id": i, "name": "a"} for i in range(MOST_CATEGORIES)]
    file = tmp_path / "detections.json"
    file.write_text(json.dumps({"categories": categories, "annotations": records[:most]}))
    found, _ = read_records(file, most, HW, KNOWN)
    assert found.of_frame(most - 1).stop == most
    file.write_text(json.dumps({"categories": categories, "annotations": records}))
    wanted = f"expected at most {most} records with {MOST_CATEGORIES} categories each, got more"
    with pytest.raises(InvalidDetections, match=wanted):
        read_records(file, most, HW, KNOWN)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[",
        b"\xff",
        b"[" * 100_000,
        b"[] 5",
        b"{} 5",
        b"5 5",
        b'{"annotations": []',
        b'{"annotations": [1 2]}',
        b'{"annotations" []}',
        b"{1: 2}",
        b'{"a": 1,}',
        b'{"categories": "coco", "annotations": ' + b"[" * 100_000,
    ],
)
def test_no_json(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "detections.json").write_bytes(content)
    with pytest.raises(InvalidDetections, match="expected a JSON file"):
        read_file(tmp_path / "detections.json")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidDetections, match="No such file"):
        read_file(tmp_path / "none.json")


@given(st.lists(st.lists(st.booleans(), min_size=7, max_size=7), min_size=1, max_size=9))
def test_every_mask_comes_back(rows: list[list[bool]]) -> None:
    rle = encode(np.array(rows))
    assert from_coco(rle.json(), rle.size_hw) == rle


@given(st.text(max_size=12))
def test_no_text_makes_a_mask_of_what_lies_in_memory(counts: str) -> None:
    try:
        rle = from_coco({"size": [4, 5], "counts": counts}, (4, 5))
    except ValueError:
        return
    assert from_coco(rle.json(), (4, 5)) == rle


@example((0.0, 1.1920928955078125e-07), (1.0, 2.0))
@given(st.tuples(*[st.floats(0, 8, width=32)] * 2), st.tuples(*[st.floats(0.125, 9, width=32)] * 2))
def test_filled_box_is_what_the_box_touches(corner: tuple[float, float], size: tuple[float, float]) -> None:
    # the float32 that the box holds decide: a sum of two may lie beyond a pixel's edge only as a double
    box = np.array([*corner, min(corner[0] + size[0], 9), min(corner[1] + size[1], 10)], np.float32)
    (x1, y1), (x2, y2) = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int)
    picture = np.zeros((10, 9), np.bool_)
    picture[y1:y2, x1:x2] = True
    assert (decode(filled(box, (10, 9))) == picture).all()

"""What a result offers in Python: masks, boxes, scores and times of an object, frame by frame."""

import json
import pickle
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco

import dualtrack
from dualtrack.errors import InvalidResult
from dualtrack.result.model import Category, Entry, Head, Tubelet, TubeletHead, Video

HEIGHT, WIDTH, FRAMES = 6, 8, 5
VIDEO = Video(width=WIDTH, height=HEIGHT, frames=FRAMES, fps=10.0, timestamps=(0.0, 0.1, 0.2, 0.35, 0.4))
MASK = np.zeros((HEIGHT, WIDTH), bool)
MASK[1:4, 2:5] = True
COUNTS = coco.encode(np.asfortranarray(MASK.astype(np.uint8)))["counts"].decode()
ENTRY = Entry(COUNTS, (2.0, 1.0, 5.0, 4.0), (1.5, 0.5, 5.5, 4.5), 0.75)
TUBELET = Tubelet(TubeletHead(3, 18, "dog", 0.5, 1, 3, 2, 1), (ENTRY, None, ENTRY), VIDEO)


def result(video: Video = VIDEO) -> dualtrack.Result:
    tubelet = replace(TUBELET, video=video)
    parameters = {"th_det": 0.2}
    categories = (Category(1, "person"), Category(18, "dog"))
    return dualtrack.Result(
        Head(video, {"release": "r"}, None, parameters, categories, 1, (), (tubelet.head,)), (tubelet,)
    )


def test_the_object() -> None:
    assert (TUBELET.id, TUBELET.category, TUBELET.category_id, TUBELET.score) == (3, "dog", 18, 0.5)
    assert (TUBELET.first_frame, TUBELET.last_frame, TUBELET.seed_frame) == (1, 3, 1)
    assert TUBELET.classes == (dualtrack.ClassScore(18, "dog", 0.5),)
    assert TUBELET.frames == (1, 3)


@pytest.mark.parametrize("frame", [1, np.int64(3)])
def test_a_frame_where_it_is_visible(frame: int) -> None:
    mask = TUBELET.mask(frame)
    assert mask is not None
    assert (mask.dtype, mask.shape) == (np.dtype(bool), (HEIGHT, WIDTH))
    assert np.array_equal(mask, MASK)
    assert TUBELET.rle(frame) == {"size": [HEIGHT, WIDTH], "counts": COUNTS}
    assert TUBELET.box(frame) == (2.0, 1.0, 5.0, 4.0)
    assert TUBELET.track_box(frame) == (1.5, 0.5, 5.5, 4.5)
    assert TUBELET.score_at(frame) == 0.75


@pytest.mark.parametrize("frame", [pytest.param(0, id="before its span"), pytest.param(2, id="within it")])
def test_a_frame_where_it_is_not_visible(frame: int) -> None:
    methods = (TUBELET.mask, TUBELET.rle, TUBELET.box, TUBELET.track_box, TUBELET.score_at)
    assert [method(frame) for method in methods] == [None] * 5


@pytest.mark.parametrize("frame", [-1, FRAMES])
def test_a_frame_that_the_video_does_not_have(frame: int) -> None:
    with pytest.raises(IndexError, match=f"frame: expected 0 to 4, got {frame}"):
        TUBELET.mask(frame)


@pytest.mark.parametrize(
    ("video", "times"),
    [
        pytest.param(VIDEO, (0.1, 0.35), id="of the stream"),
        pytest.param(replace(VIDEO, timestamps=()), (0.1, 0.3), id="by the rate"),
        pytest.param(replace(VIDEO, timestamps=(), fps=0.0), (), id="unknown"),
    ],
)
def test_times(video: Video, times: tuple[float, ...]) -> None:
    assert replace(TUBELET, video=video).times == pytest.approx(times)


def test_a_saved_result_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    result().save(path)
    assert dualtrack.load(str(path)) == result()
    assert json.loads(path.read_text()) == result().document()
    assert dualtrack.Result.from_document(result().document()) == result()
    assert [each.name for each in tmp_path.iterdir()] == ["result.json"]


def test_a_result_does_not_change() -> None:
    whole = result()
    with pytest.raises(FrozenInstanceError):
        whole.tubelets = ()  # type: ignore[misc]
    with pytest.raises(TypeError):
        whole.parameters["th_det"] = 1  # type: ignore[index]
    assert pickle.loads(pickle.dumps(whole)) == whole


def test_a_result_is_short_when_printed() -> None:
    assert repr(result()) == "<Result: 1 tubelets, 5 frames of 8x6>"
    assert COUNTS not in repr(TUBELET)


def test_a_file_that_is_no_result(tmp_path: Path) -> None:
    path = tmp_path / "ytvis.json"
    path.write_text("[]")
    with pytest.raises(InvalidResult, match=r"result ytvis.json: expected"):
        dualtrack.load(path)

"""What is written comes back through trackeval with AP 1; and the DeepSORT baseline follows a box."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dualtrack.errors import InvalidDataset, InvalidParameter
from dualtrack.formats import ytvis
from dualtrack.result.model import Category, Document, Head, Tubelet, Video
from evaluation.baselines.deepsort import DeepSortParams, deepsort
from evaluation.data.dataset import load_dataset
from evaluation.metrics.ytvis import figures, match_clips
from evaluation.runs.methods import finish
from evaluation.runs.parameters import parse_evaluation
from service.cli.parameters import parse_parameters
from service.inference.repository.manifest import ModelClass
from service.pipeline.categories.vocabulary import match_vocabulary
from service.pipeline.result import entries_of, tubelet_head
from service.structures.tubelets import LabeledTubelet
from service.tracking.params import TubeletParams
from tests.unit.builders import HW, frame, labeled, mask, tube


def dataset(folder: Path) -> Any:
    """One video of four frames: a person in all of them, a duck in the last two."""
    (folder / "videos").mkdir()
    (folder / "videos" / "v.mp4").write_bytes(b"")
    tubes = [(1, [mask(0)] * 4), (13, [None, None, mask(30), mask(32)])]
    document = {
        "categories": [{"id": 1, "name": "person"}, {"id": 13, "name": "duck"}, {"id": 3, "name": "lizard"}],
        "videos": [
            {"id": 7, "height": HW[0], "width": HW[1], "length": 4, "file_names": [f"v/{i:05d}.jpg" for i in range(4)]}
        ],
        "annotations": [
            {
                "id": number,
                "video_id": 7,
                "category_id": category,
                "iscrowd": 0,
                "segmentations": [m and m.json() for m in masks],
            }
            for number, (category, masks) in enumerate(tubes, start=1)
        ],
    }
    (folder / "instances.json").write_text(json.dumps(document))
    return load_dataset(folder)


def results_of(item: LabeledTubelet, category_id: int) -> list[Document]:
    """What the service writes of one tubelet as YouTube-VIS results."""
    head = tubelet_head(item, (Category(category_id, "it"),))
    whole = Head(Video(60, 40, 4), {}, None, {}, (), 1, (), (head,))
    return list(
        ytvis.records(whole, [Tubelet(head, tuple(entries_of(item.tubelet, head.span)), whole.video)], video_id=7)
    )


def test_perfect_tubelets_give_ap_one(tmp_path: Path) -> None:
    truth = dataset(tmp_path)
    results = results_of(labeled(tube(range(4), length=4), 0.9, label=0), 1)
    second = {**results[0], "category_id": 13, "segmentations": [None, None, mask(30).json(), mask(32).json()]}
    scores = figures(match_clips(truth, truth.videos, [*results, second]))
    assert scores == pytest.approx(dict.fromkeys(scores, 1.0))


def test_wrong_class_counts_only_without_classes(tmp_path: Path) -> None:
    truth = dataset(tmp_path)
    results = results_of(labeled(tube(range(4), length=4), 0.9), 13)
    scores = figures(match_clips(truth, truth.videos, results))
    assert scores["AP"] == 0
    assert scores["AP50_agnostic"] > 0.4


def test_nothing_found_is_zero(tmp_path: Path) -> None:
    truth = dataset(tmp_path)
    assert set(figures(match_clips(truth, truth.videos, [])).values()) == {0.0}


def test_missing_annotations_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataset, match=r"instances\.json"):
        load_dataset(tmp_path)


def test_vocabulary_maps_names_and_keeps_the_two_mice_apart() -> None:
    classes = [
        ModelClass("car", "coco"),
        ModelClass("mouse", "coco"),
        ModelClass("mouse", "ytvis2019"),
        ModelClass("bicycle", "coco"),
        ModelClass("motorcycle", "coco"),
    ]
    matched = match_vocabulary(classes, {6: "sedan", 36: "mouse", 21: "motorbike", 9: "snake"})
    assert matched.category_ids == (6, 21, 36)
    assert [members.tolist() for members in matched.members] == [[0], [3, 4], [2]]
    assert matched.unknown == ("snake",)


def test_deepsort_follows_two_objects_apart() -> None:
    frames = [frame(t, (t, [0.9, 0, 0]), (40 - t, [0.8, 0, 0])) for t in range(5)]
    looks = np.eye(4, dtype=np.float32)[:2]
    tubelets = deepsort(frames, [looks] * 5)
    assert sorted(len(t.frames) for t in tubelets) == [5, 5]
    assert [float(t.boxes[4, 0]) for t in tubelets] == [4.0, 36.0]


LOOK = np.eye(4, dtype=np.float32)[:1]
SURE = [0.9, 0, 0]


def lengths(found: list[Any], **params: Any) -> list[int]:
    """Lengths of the tracks of one object that looks the same in all frames."""
    frames = [frame(t, *([] if item is None else [item])) for t, item in enumerate(found)]
    looks = [LOOK[: len(item)] for item in frames]
    return sorted(len(t.frames) for t in deepsort(frames, looks, DeepSortParams(**params)))


@pytest.mark.parametrize(
    ("found", "params", "expected"),
    [
        pytest.param([(0, SURE)] * 4, {"n_init": 3}, [4], id="first-hits-count-once-confirmed"),
        pytest.param([(0, SURE)] * 2, {"n_init": 3}, [], id="never-confirmed"),
        pytest.param([(0, SURE), None, (0, SURE), (0, SURE)], {"n_init": 2}, [2], id="a-miss-ends-a-tentative-one"),
        pytest.param([(0, SURE), None, (0, SURE)], {}, [2], id="confirmed-at-once"),
        pytest.param([(0, SURE), None, None, (0, SURE)], {"max_age": 2}, [1, 1], id="missed-too-long"),
        pytest.param([(0, SURE), None, None, (0, SURE)], {"max_age": 3}, [2], id="missed-not-too-long"),
        pytest.param([(0, SURE), (0, [0.1, 0, 0])], {}, [1], id="too-low-a-score"),
        pytest.param([(0, SURE), (0, [0.1, 0, 0])], {"min_score": 0.05}, [2], id="low-scores-allowed"),
        pytest.param([(0, SURE), (45, SURE)], {}, [1, 1], id="outside-the-gate"),
    ],
)
def test_deepsort_parameters(found: list[Any], params: dict[str, Any], expected: list[int]) -> None:
    assert lengths(found, **params) == expected


def test_deepsort_parameters_by_name() -> None:
    given = parse_evaluation(["deepsort_max_age=5", "deepsort_min_score=0.4", "th_seq=0.3"])
    assert given.deepsort_params() == DeepSortParams(max_age=5, min_score=0.4)
    assert given.pipeline_params().tubelets.th_seq == 0.3
    with pytest.raises(InvalidParameter, match="deepsort_max_cosine"):
        parse_evaluation(["deepsort_max_cosine=3"])
    with pytest.raises(InvalidParameter, match="deepsort_max_age"):
        parse_parameters(["deepsort_max_age=5"])


@pytest.mark.parametrize(
    ("given", "least"),
    [
        pytest.param([], 0.0, id="metrics rank tubelets of any score"),
        pytest.param(["preset=paper"], 0.0, id="in every preset"),
        pytest.param(["min_score=0.1"], 0.1, id="unless it is given"),
    ],
)
def test_the_minimum_score_of_an_evaluation(given: list[str], least: float) -> None:
    parameters = parse_evaluation(given)
    assert parameters.pipeline_params().tubelets.min_score == least
    assert parameters.model_dump(exclude_unset=True, exclude={"overlay"}).get("min_score") == (least or None)


def test_an_evaluation_leaves_out_what_the_request_does() -> None:
    pair = [tube(range(2), x=x, length=2) for x in (0, 30)]
    frames = [frame(t, (0, [0.9, 0, 0]), (30, [0.05, 0, 0])) for t in range(2)]
    scores = {
        least: [item.score for item in finish(pair, frames, TubeletParams(rescale=False, min_score=least))]
        for least in (0.0, 0.1)
    }
    assert scores[0.0] == pytest.approx([0.9, 0.05])
    assert scores[0.1] == scores[0.0][:1]


def test_deepsort_of_nothing() -> None:
    assert deepsort([frame(t) for t in range(3)], [np.zeros((0, 4), np.float32)] * 3) == []

"""Figures made clip by clip are those of trackeval's own evaluator on files, and any choice of clips has figures."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trackeval
from pycocotools import mask as coco

from dualtrack.errors import InvalidParameter
from evaluation.data.dataset import Dataset, load_dataset
from evaluation.metrics.figures import figures_of
from evaluation.metrics.strata import stratum_figures
from evaluation.metrics.ytvis import IOU_THRESHOLDS, figures, match_clips, per_class
from tests.unit.builders import HW, mask

FRAMES = 5


def sequence(x: int, *, step: int = 2, size: int = 10, frames: range = range(FRAMES)) -> list[dict[str, Any] | None]:
    return [mask(x + step * t, size=size).json() if t in frames else None for t in range(FRAMES)]


def dataset(folder: Path, *, lists: bool = False) -> Dataset:
    """Three videos; instances of three categories, one of them a crowd, one that comes late."""
    (folder / "videos").mkdir(parents=True)
    truths = [
        (1, 1, sequence(0), 0), (1, 1, sequence(25), 0), (1, 2, sequence(40, step=0), 0), (2, 2, sequence(5), 0),
        (2, 3, sequence(20, frames=range(2, FRAMES)), 0), (2, 2, sequence(35), 1), (3, 1, sequence(10, size=14), 0),
    ]  # fmt: skip
    annotations = [
        {"id": i, "video_id": v, "category_id": c, "iscrowd": crowd, "segmentations": _lists(s) if lists else s}
        for i, (v, c, s, crowd) in enumerate(truths, start=1)
    ]
    videos = []
    for number, kind in ((1, "near"), (2, "far"), (3, "near")):
        (folder / "videos" / f"v{number}.mp4").write_bytes(b"")
        files = [f"v{number}/{t:05d}.jpg" for t in range(FRAMES)]
        size = {"height": HW[0], "width": HW[1], "length": FRAMES}
        videos.append({"id": number, "file_names": files, "kind": kind, **size})
    categories = [{"id": i, "name": name} for i, name in ((1, "person"), (2, "dog"), (3, "duck"))]
    document = {"videos": videos, "categories": categories, "annotations": annotations}
    (folder / "instances.json").write_text(json.dumps(document))
    return load_dataset(folder)


def _lists(masks: list[dict[str, Any] | None]) -> list[dict[str, Any] | None]:
    """As YouTube-VIS publishes them: run lengths as lists."""
    return [None if rle is None else _run_lengths(rle) for rle in masks]


def _run_lengths(rle: dict[str, Any]) -> dict[str, Any]:
    flat = np.concatenate([[False], coco.decode(rle).astype(bool).flatten(order="F")])
    changes = np.flatnonzero(np.diff(flat))
    return {"size": rle["size"], "counts": [int(n) for n in np.diff([0, *changes, len(flat) - 1])]}


def answers() -> list[dict[str, Any]]:
    """Right and wrong ones: shifted, of another class, twice, of equal score, of a class that never occurs."""
    return [
        {"video_id": v, "category_id": c, "score": score, "segmentations": s}
        for v, c, score, s in (
            (1, 1, 0.9, sequence(1)), (1, 1, 0.8, sequence(0)), (1, 1, 0.8, sequence(28)), (1, 1, 0.3, sequence(42)),
            (1, 2, 0.7, sequence(40, step=0, size=9)), (2, 2, 0.9, sequence(35)), (2, 2, 0.6, sequence(7)),
            (2, 1, 0.9, sequence(20)), (3, 1, 0.5, sequence(11, size=14)), (3, 9, 0.4, sequence(50)),
        )
    ]  # fmt: skip


def official(truth: Dataset, results: list[dict[str, Any]], cap: int, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """AP and AR by trackeval's evaluator, which wants files, list run lengths and areas."""
    annotations = [
        {**item, "height": HW[0], "width": HW[1], "segmentations": _lists(item["segmentations"]),
         "areas": [rle and int(coco.area(rle)) for rle in item["segmentations"]]}
        for item in truth.annotations
    ]  # fmt: skip
    categories = [{"id": i, "name": name} for i, name in truth.categories.items()]
    document = {"videos": [v.record for v in truth.videos], "categories": categories, "annotations": annotations}
    for name, content in (("gt/youtube_vis_x/truth.json", document), ("tr/youtube_vis_x/ours/data/r.json", results)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    with contextlib.redirect_stdout(io.StringIO()):
        data = trackeval.datasets.YouTubeVIS(
            {"GT_FOLDER": f"{folder}/gt/", "TRACKERS_FOLDER": f"{folder}/tr/", "SPLIT_TO_EVAL": "x",
             "OUTPUT_FOLDER": f"{folder}/out", "PRINT_CONFIG": False}
        )  # fmt: skip
        data.global_tid_counter = 1  # its matching takes a tubelet with number 0 for none
        metric = trackeval.metrics.TrackMAP(
            {"USE_TIME_RANGES": False, "IOU_THRESHOLDS": IOU_THRESHOLDS, "MAX_DETECTIONS": cap, "PRINT_CONFIG": False}
        )
        quiet = dict.fromkeys(
            ("PRINT_RESULTS", "PRINT_CONFIG", "TIME_PROGRESS", "OUTPUT_SUMMARY", "OUTPUT_DETAILED", "PLOT_CURVES"),
            False,
        )
        outcome, _ = trackeval.Evaluator({**quiet, "BREAK_ON_ERROR": True, "LOG_ON_ERROR": None}).evaluate(
            [data], [metric]
        )
    combined = outcome["YouTubeVIS"]["ours"]["COMBINED_SEQ"]["cls_comb_cls_av"]["TrackMAP"]
    return combined["AP_all"], combined["AR_all"]


def test_figures_are_those_of_the_official_evaluator(tmp_path: Path) -> None:
    truth = dataset(tmp_path / "data")
    got = figures(match_clips(truth, truth.videos, answers()))
    ap, _ = official(truth, answers(), 100, tmp_path / "files")
    _, ar1 = official(truth, answers(), 1, tmp_path / "files")
    assert 0.3 < got["AP"] < 0.9
    assert got["AP"] == pytest.approx(ap.mean())
    assert (got["AP50"], got["AP75"]) == pytest.approx((ap[0], ap[5]))
    assert got["AR1"] == pytest.approx(ar1.mean())


def test_clips_survive_being_saved(tmp_path: Path) -> None:
    truth = dataset(tmp_path)
    clips = match_clips(truth, truth.videos, answers())
    assert figures(json.loads(json.dumps(clips))) == figures(clips)


def test_run_lengths_as_lists_are_read_too(tmp_path: Path) -> None:
    strings, lists = dataset(tmp_path / "a"), dataset(tmp_path / "b", lists=True)
    assert lists.annotations == strings.annotations


def test_strata_are_figures_of_their_clips(tmp_path: Path) -> None:
    truth = dataset(tmp_path)
    clips = match_clips(truth, truth.videos, answers())
    found = stratum_figures(clips, truth.videos, "kind")
    assert list(found) == ["far", "near"]
    assert found["far"] == {"clips": 1, **figures_of(clips[1:2])}
    assert found["near"] == {"clips": 2, **figures_of([clips[0], clips[2]])}


@pytest.mark.parametrize("field", ["length", "stratum"])
def test_an_unknown_field_is_named_with_those_there_are(field: str, tmp_path: Path) -> None:
    truth = dataset(tmp_path)
    with pytest.raises(InvalidParameter, match=r"\['kind'\]"):
        stratum_figures(match_clips(truth, truth.videos, []), truth.videos, field)


def test_no_clips_no_classes(tmp_path: Path) -> None:
    assert set(figures([]).values()) == {0.0}


def test_a_tubelet_counts_for_each_of_its_classes(tmp_path: Path) -> None:
    truth = dataset(tmp_path)
    found = answers()
    several = [{**item, "classes": [[99, item["score"]], [item["category_id"], item["score"] / 2]]} for item in found]
    clips = match_clips(truth, truth.videos, several)
    plain = match_clips(truth, truth.videos, found)
    assert figures(clips)["AP"] == pytest.approx(figures(plain)["AP"]), "all scores are half, so the order is the same"
    assert figures(plain)["AP_single"] == figures(plain)["AP"]
    assert figures(clips)["AP_single"] == figures(plain)["AP"], "the own class is `category_id`"
    assert figures(clips)["AP_agnostic"] == figures(plain)["AP_agnostic"], "without classes a tubelet counts once"


def test_records_per_class() -> None:
    item = {"video_id": 1, "category_id": 5, "score": 0.5, "segmentations": [None]}
    assert per_class([item]) == [item]
    assert per_class([{**item, "classes": [[5, 0.5], [7, 0.25]]}]) == [item, {**item, "category_id": 7, "score": 0.25}]


def test_clips_saved_before_single_classes_were_counted_have_the_other_figures(tmp_path: Path) -> None:
    truth = dataset(tmp_path)
    clips = match_clips(truth, truth.videos, answers())
    earlier = [{name: value for name, value in clip.items() if name != "single"} for clip in clips]
    now = figures(clips)
    assert figures(earlier) == {name: value for name, value in now.items() if not name.endswith("_single")}

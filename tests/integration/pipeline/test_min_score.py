"""`min_score`: whole jobs on real files with the fake networks, and given detections whose scores are known."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dualtrack.digest import sha256_of
from dualtrack.result.file import ResultFile
from service.artifacts.overlay import drawings
from service.inference.fake.detector import PALETTE
from service.pipeline.parameters.job_parameters import JobParameters
from service.pipeline.progress import StageProgress
from service.pipeline.store.cache import FolderCache, StageCache
from service.pipeline.video_file import segment
from tests.support.annotated import context, write_scored_scene, write_video
from tests.support.clips import plain
from tests.support.results import STORED, document_in
from tests.support.scenes import Rectangle

FRAMES = 22
OBJECTS = (
    (Rectangle(PALETTE[0], 20, 20, 40, 60, step_xy=(3, 1)), 0.9),
    (Rectangle(PALETTE[2], 190, 90, 30, 40, step_xy=(-3, -1)), 0.4),
    (Rectangle(PALETTE[4], 130, 20, 30, 30, hidden=range(14)), 0.2),
    (Rectangle(PALETTE[5], 10, 100, 30, 30), 0.06),
)
"""With the score of every detection; the third is in the last chunks only."""
SCORES = [score for _, score in OBJECTS]
CUT = {"chunk_frames": 10, "chunk_overlap": 4}
THINNED = {"track_fps": 5, "chunk_frames": 8, "chunk_overlap": 2}
"""Every second frame, and the frames between are filled in."""
ALL_CLASSES = {"th_det": 0.01, "th_cc": 0, "beta": 1}
"""No detection is dropped, and no score is changed."""
Scene = tuple[Path, Path]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    everywhere = [
        (rectangle, {t: score for t in range(FRAMES) if t not in rectangle.hidden}) for rectangle, score in OBJECTS
    ]
    return write_scored_scene(tmp_path_factory.mktemp("scene"), everywhere, FRAMES)


def job(
    scene: Scene, out: Path, *, report: Any = lambda _: None, cache: StageCache | None = None, **values: Any
) -> dict[str, Any]:
    """The result document; no overlay is drawn."""
    video, detections = scene
    work = segment(
        video,
        out,
        sha256=sha256_of(video),
        context=context(out / "scratch", cache),
        parameters=JobParameters(**{"overlay": False, **ALL_CLASSES, **values}),
        report=report,
        detections=detections,
    )
    asyncio.run(work)
    return document_in(out)


def without_counts(document: dict[str, Any]) -> dict[str, Any]:
    """A result without the members that name the threshold."""
    parameters = {name: value for name, value in document["parameters"].items() if name != "min_score"}
    return {**document, "parameters": parameters, "left_out": None}


@pytest.mark.parametrize("cut", [{}, CUT, THINNED], ids=["one chunk", "three chunks", "frames filled in"])
def test_a_result_is_the_whole_one_cut_at_the_threshold(scene: Scene, cut: dict[str, Any], tmp_path: Path) -> None:
    cache = FolderCache(tmp_path / "cache", max_bytes=1 << 28)
    run = partial(job, scene, cache=cache, **cut)
    everything = run(tmp_path / "0", min_score=0)
    assert [item["score"] for item in everything["tubelets"]] == pytest.approx(SCORES, abs=0.03)
    assert everything["left_out"] == 0
    for number, least in enumerate((None, 0.1, 0.3, 0.5, 1.0)):
        found = run(tmp_path / f"{number}", min_score=least)
        kept = [item for item in everything["tubelets"] if item["score"] >= (0.1 if least is None else least)]
        assert without_counts(found) == without_counts({**everything, "tubelets": kept})
        assert found["left_out"] == len(everything["tubelets"]) - len(kept)
        assert found["parameters"]["min_score"] == (0.1 if least is None else least)
        records = json.loads((tmp_path / f"{number}" / "ytvis.json").read_text())
        assert [record["segmentations"] for record in records] == [
            item["segmentations"] for item in kept for _ in item["classes"]
        ]
        drawn = drawings(ResultFile.open(tmp_path / f"{number}" / STORED), 0)
        assert [drawing.id for drawing in drawn] == [item["id"] for item in kept]


def test_ids_are_those_of_all_objects(scene: Scene, tmp_path: Path) -> None:
    """The object below the threshold is found in the first chunk, so a later one has a higher number."""
    found = job(scene, tmp_path, **CUT)
    assert [item["category"] for item in found["tubelets"]] == ["object 1", "object 2", "object 3"]
    assert [item["id"] for item in found["tubelets"]] == [1, 2, 4]


def test_nothing_is_filled_in_for_what_is_left_out(scene: Scene, tmp_path: Path) -> None:
    steps: list[StageProgress] = []
    found = job(scene, tmp_path, report=steps.append, track_fps=5, min_score=1)
    assert (found["tracked_every"], found["tubelets"], found["left_out"]) == (2, [], len(OBJECTS))
    assert {step.stage for step in steps} == {"decode", "detect", "calibrate", "track", "merge"}


def test_further_classes_keep_their_own_threshold(tmp_path: Path) -> None:
    """The best class decides: the others of a tubelet that is kept may score less, down to 0.05."""
    video = tmp_path / "clip.mp4"
    write_video(video, [OBJECTS[0][0]], 6)
    rows = [{"image_id": t, "scores": [0.4, 0.07], "bbox": [20 + 3 * t, 20 + t, 40, 60]} for t in range(6)]
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    (tmp_path / "detections.json").write_text(json.dumps({"categories": categories, "annotations": rows}))
    found = job((video, tmp_path / "detections.json"), tmp_path / "out")
    assert [[each["score"] for each in item["classes"]] for item in found["tubelets"]] == [
        pytest.approx([0.4, 0.07], abs=0.02)
    ]


@pytest.mark.parametrize("least", [0, 0.1, 1])
def test_nothing_to_find(least: float, tmp_path: Path) -> None:
    video = plain(tmp_path / "plain.mp4")
    parameters = JobParameters(overlay=False, min_score=least)
    given = context(tmp_path / "scratch")
    work = segment(
        video, tmp_path, sha256=sha256_of(video), context=given, parameters=parameters, report=lambda _: None
    )
    asyncio.run(work)
    assert (document_in(tmp_path)["tubelets"], document_in(tmp_path)["left_out"]) == ([], 0)
    assert json.loads((tmp_path / "ytvis.json").read_text()) == []

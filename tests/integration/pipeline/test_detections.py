"""Detections from a file through the whole method: classes, masks, cache and errors."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dualtrack.digest import sha256_of
from dualtrack.errors import InvalidDetections
from service.cli.main import build_app
from service.pipeline.parameters.job_parameters import JobParameters
from service.pipeline.store.cache import FolderCache, StageCache
from service.pipeline.video_file import segment
from service.structures.masks import decode, from_json
from tests.support.annotated import HW, context, write_video
from tests.support.results import document_in, tight_boxes
from tests.support.scenes import GREY, Rectangle

RED = Rectangle((220, 40, 40), 30, 40, 40, 60, step_xy=(4, 0))
FRAMES = 5


@pytest.fixture
def video(tmp_path: Path) -> Path:
    write_video(tmp_path / "clip.mp4", [RED], FRAMES)
    return tmp_path / "clip.mp4"


def written(folder: Path, *, name: str = "crab", category_id: int = 7, score: float = 0.9) -> Path:
    """The red rectangle in the frames 1 to 3, as boxes without masks."""
    records = [
        {"image_id": t, "category_id": category_id, "score": score, "bbox": [30 + 4 * t, 40, 40, 60]} for t in (1, 2, 3)
    ]
    file = folder / f"{name}.json"
    file.write_text(json.dumps({"categories": [{"id": category_id, "name": name}], "annotations": records}))
    return file


def run(
    video: Path, detections: Path | None, out: Path, cache: StageCache | None = None, **parameters: Any
) -> dict[str, Any]:
    chosen = JobParameters(overlay=False, **parameters)
    settings = context(out / "scratch", cache)
    asyncio.run(
        segment(
            video,
            out,
            sha256=sha256_of(video),
            context=settings,
            parameters=chosen,
            report=lambda _: None,
            detections=detections,
        )
    )
    return document_in(out)


def test_given_boxes_are_tracked_under_their_own_category(video: Path, tmp_path: Path) -> None:
    document = run(video, written(tmp_path), tmp_path / "out")
    [tubelet] = document["tubelets"]
    assert (tubelet["category"], tubelet["category_id"], tubelet["frames"]) == ("crab", 7, FRAMES)
    assert tubelet["boxes"][0] == pytest.approx([30, 40, 70, 100], abs=6)
    assert tubelet["boxes"] == tight_boxes(tubelet)
    assert document["detector"].startswith("detections ")
    assert json.loads((tmp_path / "out" / "ytvis.json").read_text())[0]["category_id"] == 7


def test_where_every_other_frame_is_tracked_those_of_the_others_are_left_out(video: Path, tmp_path: Path) -> None:
    document = run(video, written(tmp_path), tmp_path / "out", track_fps=5)
    [tubelet] = document["tubelets"]
    assert (document["tracked_every"], tubelet["seed_frame"], tubelet["frames"]) == (2, 2, FRAMES)
    for t, box in enumerate(tubelet["boxes"]):
        assert box == pytest.approx([30 + 4 * t, 40, 70 + 4 * t, 100], abs=6)
    assert tubelet["boxes"] == tight_boxes(tubelet)


def test_a_box_without_a_mask_gets_one_from_the_pixel_head(tmp_path: Path) -> None:
    """The object has no corners, its box has."""
    corners = [Rectangle(GREY, x, y, 6, 8) for x in (30, 64) for y in (40, 92)]
    write_video(tmp_path / "clip.mp4", [replace(RED, step_xy=(0, 0)), *corners], FRAMES)
    file = tmp_path / "box.json"
    file.write_text(json.dumps([{"image_id": 0, "category_id": 1, "score": 0.9, "bbox": [30, 40, 40, 60]}]))
    [tubelet] = run(tmp_path / "clip.mp4", file, tmp_path / "out")["tubelets"]
    mask = decode(from_json(tubelet["segmentations"][0]))
    assert mask[70, 50]
    assert not any(mask[y, x] for x in (31, 68) for y in (41, 98))
    assert mask.sum() == pytest.approx(40 * 60 - 4 * 6 * 8, rel=0.07)


def test_categories_map_the_detectors_classes(video: Path, tmp_path: Path) -> None:
    document = run(video, None, tmp_path / "out", categories="ytvis2021")
    assert [(item["category_id"], item["category"]) for item in document["tubelets"]] == [(26, "person")]
    assert json.loads((tmp_path / "out" / "ytvis.json").read_text())[0]["category_id"] == 26
    assert document["parameters"]["categories"] == "ytvis2021"


def test_categories_map_given_detections(video: Path, tmp_path: Path) -> None:
    own = [{"id": 3, "name": "shellfish", "of": ["crab"]}]
    [tubelet] = run(video, written(tmp_path), tmp_path / "out", categories=own)["tubelets"]
    assert (tubelet["category_id"], tubelet["category"]) == (3, "shellfish")


def test_categories_filter(video: Path, tmp_path: Path) -> None:
    cache = FolderCache(tmp_path / "cache", max_bytes=1 << 30)
    assert run(video, None, tmp_path / "out", cache, categories=["car", "dog"])["tubelets"] == []
    [tubelet] = run(video, None, tmp_path / "out", cache, categories=["person", "dog"])["tubelets"]
    assert (tubelet["category_id"], tubelet["category"]) == (1, "person")


def test_threshold_counts_for_given_detections(video: Path, tmp_path: Path) -> None:
    assert run(video, written(tmp_path, score=0.3), tmp_path / "out", th_det=0.4)["tubelets"] == []


def test_cache_distinguishes_files(video: Path, tmp_path: Path) -> None:
    used: list[str] = []
    cache = FolderCache(tmp_path / "cache", max_bytes=1 << 30, note=lambda note: used.append(note.key))
    files = [written(tmp_path, name=name) for name in ("crab", "shrimp")]
    names = [run(video, file, tmp_path / "out", cache)["tubelets"][0]["category"] for file in (*files, None, files[0])]
    assert names == ["crab", "shrimp", "person", "crab"]
    # the clip and its shots, detections and tubelets of three sources, and the records of two
    assert len(set(used)) == 2 + 6 + 2
    assert used[-2:] == used[1:3]


def test_masks_of_another_size_are_refused(video: Path, tmp_path: Path) -> None:
    file = tmp_path / "small.json"
    mask = {"size": [HW[0] // 2, HW[1] // 2], "counts": "0"}
    file.write_text(json.dumps([{"image_id": 0, "category_id": 1, "score": 1, "segmentation": mask}]))
    with pytest.raises(InvalidDetections, match=r"record 0: segmentation: expected an RLE of size \[144, 240\]"):
        run(video, file, tmp_path / "out")


def test_command_refuses_a_bad_file(video: Path, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text('[{"image_id": 99, "category_id": 1, "score": 1, "bbox": [0, 0, 9, 9]}]')
    arguments = ["segment", str(video), "--detections", str(file), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(build_app(arguments), arguments)
    assert isinstance(result.exception, InvalidDetections)
    assert "record 0: image_id: expected a frame from 0 to 4, got 99" in result.exception.detail

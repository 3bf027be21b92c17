"""A file of detections is read in a process with limits, once: the engine reads what that process stored."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from dualtrack.digest import sha256_of
from dualtrack.errors import InvalidDetections
from service.media.limits import VideoLimits
from service.media.video_info import VideoInfo
from service.pipeline.categories.class_vector import ClassVector, counted
from service.pipeline.detection import given
from service.pipeline.detection.check import check
from service.pipeline.detection.given import check_detections, open_detections
from service.pipeline.detection.records import unpack_records, vector_to_json
from service.pipeline.store.cache import FolderCache, NoCache, StageCache
from service.pipeline.store.keys import given_key

INFO = VideoInfo("mp4", "h264", 3840, 2160, 5, 0.5, 10.0, 0, False, 1)
KNOWN = counted("weights 1", ())
RECORDS = {
    "categories": [{"id": 7, "name": "crab"}],
    "annotations": [{"image_id": t, "category_id": 7, "score": 0.9, "bbox": [0, 0, 3840, 2160]} for t in (1, 1, 3)],
}


def written(folder: Path, text: str | None = None) -> Path:
    path = folder / "detections.json"
    path.write_text(json.dumps(RECORDS) if text is None else text)
    return path


def checked(path: Path, target: dict[str, Any]) -> ClassVector:
    return asyncio.run(check_detections(path, INFO, KNOWN, VideoLimits(), target))


def opened(path: Path, folder: Path, cache: StageCache) -> given.GivenDetections:
    work = open_detections(
        path, INFO, KNOWN, video="a" * 64, cache=cache, scratch=folder / "scratch", limits=VideoLimits()
    )
    return asyncio.run(work)


def test_what_the_check_has_stored_is_what_the_engine_reads(tmp_path: Path) -> None:
    """The API's check and the engine's run have nothing in common but the cache's folder."""
    path, root = written(tmp_path), tmp_path / "cache"
    key = given_key("a" * 64, sha256_of(path), INFO, vector_to_json(KNOWN))
    vector = checked(path, {"cache": {"root": str(root), "max_bytes": 1 << 20, "key": key}})
    stored = FolderCache(root, max_bytes=1 << 20).get(key)
    assert stored is not None
    assert unpack_records(stored)[1] == vector
    assert [(item.id, item.name) for item in vector.categories] == [(7, "crab")]
    found = opened(path, tmp_path, FolderCache(root, max_bytes=1 << 20))
    assert [len(found.records.of_frame(t)) for t in range(6)] == [0, 2, 0, 1, 0, 0]
    assert not (tmp_path / "scratch").exists()  # nothing was checked again


@pytest.mark.parametrize("cached", [True, False])
def test_without_stored_records_the_engine_has_them_checked(cached: bool, tmp_path: Path) -> None:
    path = written(tmp_path)
    cache = FolderCache(tmp_path / "cache", max_bytes=1 << 20) if cached else NoCache()
    found = opened(path, tmp_path, cache)
    assert (len(found.records.of_frame(1)), found.vector.categories[0].id) == (2, 7)
    assert list((tmp_path / "scratch").iterdir()) == []
    assert len(list((tmp_path / "cache").rglob("*/given-*"))) == cached


@pytest.mark.parametrize(
    ("text", "limits", "said"),
    [
        pytest.param("[5]", {}, "record 0: Input should be", id="a wrong record"),
        pytest.param(
            "[[" + "[]," * 9_000_000 + "[]]]",
            {"CHECK_MEMORY": 1 << 29},
            "reading the file needs more memory than allowed",
            id="more than memory has room for",
        ),
        pytest.param(
            '{"annotations": [' + '{"image_id": 1},' * 2_000_000 + "{}]}",
            {"CHECK_CPU_S": 1},
            "the reader needed more than 1 s of processor time",
            id="more than a second's work",
        ),
    ],
)
def test_a_file_that_is_too_much_is_refused_and_costs_this_process_nothing(
    text: str, limits: dict[str, int], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(given, name, value)
    with pytest.raises(InvalidDetections, match=said) as refused:
        checked(written(tmp_path, text), {"out": str(tmp_path / "out")})
    assert refused.value.code == "invalid-detections"
    assert not (tmp_path / "out").exists()


def test_the_child_does_what_its_job_says(tmp_path: Path) -> None:
    """In this process: what the child's program does is the same."""
    job = {"path": str(written(tmp_path)), "frames": 5, "size_hw": [2160, 3840], "known": vector_to_json(KNOWN)}
    answer = check({**job, "out": str(tmp_path / "out")})
    records, vector = unpack_records((tmp_path / "out").read_bytes())
    assert vector_to_json(vector) == answer
    assert len(records.masks) == 0

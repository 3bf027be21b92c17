"""The stage cache on disk: its budget, its notes, and what it does when the disk refuses."""

import os
from pathlib import Path

import pytest

from service.pipeline.params import preset
from service.pipeline.store.cache import CacheNote, FolderCache, detections_key, tubelets_key

A, B, C = "v/detections-a", "v/tubelets-b", "w/detections-c"


def age(root: Path, key: str, seconds: float) -> None:
    path = root / key
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - seconds))


def test_the_least_recently_used_goes_first_and_is_told(tmp_path: Path) -> None:
    notes: list[CacheNote] = []
    cache = FolderCache(tmp_path, max_bytes=25, note=notes.append)
    cache.put(A, bytes(10))
    cache.put(B, bytes(10))
    age(tmp_path, A, 10)
    age(tmp_path, B, 20)
    assert cache.get(B) == bytes(10)  # used now
    cache.put(C, bytes(10))
    assert (cache.get(A), cache.get(B)) == (None, bytes(10))
    assert notes == [
        CacheNote(A, 10),
        CacheNote(B, 10),
        CacheNote(B, 10),
        CacheNote(C, 10),
        CacheNote(A, None),
        notes[1],
    ]


def test_the_folder_goes_with_its_last_file(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path, max_bytes=10)
    cache.put(C, bytes(10))
    age(tmp_path, C, 10)
    cache.put(A, bytes(10))
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


def test_more_than_the_budget_is_not_kept(tmp_path: Path) -> None:
    notes: list[CacheNote] = []
    cache = FolderCache(tmp_path, max_bytes=9, note=notes.append)
    cache.put(A, bytes(10))
    assert cache.get(A) is None
    assert notes == []


def test_a_disk_that_refuses_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    cache = FolderCache(tmp_path / "cache", max_bytes=100)
    cache.put(A, b"x")
    assert cache.get(A) is None


@pytest.mark.parametrize("key", [detections_key, tubelets_key])
def test_all_of_a_video_lies_in_one_folder(key) -> None:
    params = preset("default")
    plain, variant = key("abc", "1", params), key("abc:(1, 2)", "1", params)
    assert plain != variant
    assert plain.split("/")[0] == variant.split("/")[0] == "abc"

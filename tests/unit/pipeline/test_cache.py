"""The stage cache on disk: its budget, its notes, and what it does when the disk refuses."""

import os
from pathlib import Path

import pytest

from service.pipeline.parameters.params import preset
from service.pipeline.store import cache as stage_cache
from service.pipeline.store.cache import CacheNote, FolderCache, recall
from service.pipeline.store.keys import detections_key, tubelets_key

A, B, C = "v/detections-a", "v/tubelets-b", "w/detections-c"
SIZE = 10 + len(b"dualtrack cache 3\n") + 64 + 1
"""Of a file with ten bytes in it."""


def age(root: Path, key: str, seconds: float) -> None:
    path = root / key
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - seconds))


def test_the_least_recently_used_is_evicted_first_and_reported(tmp_path: Path) -> None:
    notes: list[CacheNote] = []
    cache = FolderCache(tmp_path, max_bytes=2 * SIZE + 5, note=notes.append)
    cache.put(A, bytes(10))
    cache.put(B, bytes(10))
    age(tmp_path, A, 10)
    age(tmp_path, B, 20)
    assert cache.get(B) == bytes(10)  # used now
    cache.put(C, bytes(10))
    assert (cache.get(A), cache.get(B)) == (None, bytes(10))
    assert notes == [
        CacheNote(A, SIZE),
        CacheNote(B, SIZE),
        CacheNote(B, SIZE),
        CacheNote(C, SIZE),
        CacheNote(A, None),
        notes[1],
    ]


def test_the_folder_goes_with_its_last_file(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path, max_bytes=SIZE)
    cache.put(C, bytes(10))
    age(tmp_path, C, 10)
    cache.put(A, bytes(10))
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


def test_more_than_the_budget_is_not_kept(tmp_path: Path) -> None:
    notes: list[CacheNote] = []
    cache = FolderCache(tmp_path, max_bytes=SIZE - 1, note=notes.append)
    cache.put(A, bytes(10))
    assert cache.get(A) is None
    assert notes == []


def test_a_disk_that_refuses_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    cache = FolderCache(tmp_path / "cache", max_bytes=100)
    cache.put(A, b"x")
    assert cache.get(A) is None


def test_a_file_of_a_newer_format_is_named_and_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    notes: list[CacheNote] = []
    monkeypatch.setattr(stage_cache, "FORMAT", 4)
    FolderCache(tmp_path, max_bytes=100).put(A, b"x")
    monkeypatch.undo()
    cache = FolderCache(tmp_path, max_bytes=100, note=notes.append)
    assert cache.get(A) is None
    assert notes == []
    assert caplog.messages == [f"cache {A}: its format 4 is newer than 3, the newest that this version reads"]
    cache.put(A, b"y")
    assert cache.get(A) == b"y"


def test_a_write_that_fails_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / A).mkdir(parents=True)  # in the place of the file
    FolderCache(tmp_path, max_bytes=100).put(A, b"x")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(b"PK\x03\x04", id="of before formats had numbers"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"dualtrack cache 1\nx", id="older"),
        pytest.param(b"dualtrack cache 1", id="cut off within the header"),
        pytest.param(b"dualtrack cache one\nx", id="a number that is none"),
    ],
)
def test_a_file_of_an_older_format_is_not_found(tmp_path: Path, caplog: pytest.LogCaptureFixture, file: bytes) -> None:
    (tmp_path / A).parent.mkdir()
    (tmp_path / A).write_bytes(file)
    assert FolderCache(tmp_path, max_bytes=100).get(A) is None
    assert caplog.messages == []


def test_a_file_with_any_bit_flipped_is_not_found_and_can_be_made_again(tmp_path: Path) -> None:
    notes: list[CacheNote] = []
    cache = FolderCache(tmp_path, max_bytes=1000, note=notes.append)
    cache.put(A, b"data")
    whole = (tmp_path / A).read_bytes()
    for place in range(len(whole) * 8):
        (tmp_path / A).parent.mkdir(exist_ok=True)
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        (tmp_path / A).write_bytes(damaged)
        assert cache.get(A) is None, place
        behind_the_header = place // 8 >= len(b"dualtrack cache 3\n")
        assert (tmp_path / A).exists() == (not behind_the_header)
        assert (notes[-1] == CacheNote(A, None)) == behind_the_header
        cache.put(A, b"data")
        assert cache.get(A) == b"data"


@pytest.mark.parametrize("length", [0, 10, 18, 50, 82, 83, 86])
def test_a_file_that_was_cut_off_is_not_found(tmp_path: Path, length: int) -> None:
    cache = FolderCache(tmp_path, max_bytes=1000)
    cache.put(A, b"data")
    whole = (tmp_path / A).read_bytes()
    (tmp_path / A).write_bytes(whole[:length])
    assert (len(whole), cache.get(A)) == (87, None)


def test_what_can_not_be_read_is_dropped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = FolderCache(tmp_path, max_bytes=1000)
    cache.put(A, b"no number")
    assert recall(cache, A, int) is None
    assert not (tmp_path / A).exists()
    assert caplog.messages[0].startswith(f"cache {A}: removed, to be computed again: invalid literal")


@pytest.mark.parametrize("key", [detections_key, tubelets_key])
def test_all_of_a_video_lies_in_one_folder(key) -> None:
    params = preset("default")
    plain, variant = key("abc", "1", params), key("abc:(1, 2)", "1", params)
    assert plain != variant
    assert plain.split("/")[0] == variant.split("/")[0] == "abc"

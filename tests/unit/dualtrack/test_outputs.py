"""Where results go is checked before the work."""

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dualtrack.errors import InvalidParameter
from dualtrack.outputs import writable_file, writable_folder, writable_results
from service.cli.main import build_app
from service.cli.out import result_folder


def test_what_can_be_written_is_returned_and_nothing_is_created(tmp_path: Path) -> None:
    folder, file = tmp_path / "new" / "deeper", tmp_path / "new.json"
    assert (writable_folder(folder), writable_file(file)) == (folder, file)
    assert (writable_folder(None), writable_file(None)) == (None, None)
    assert list(tmp_path.iterdir()) == []


def test_what_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidParameter, match=r"output: expected a folder, got .*/file/x: .*/file is not a folder"):
        writable_folder(tmp_path / "file" / "x")
    with pytest.raises(InvalidParameter, match="output: expected a file, got the folder"):
        writable_file(tmp_path)
    with pytest.raises(InvalidParameter, match="output: expected a file in a folder that exists"):
        writable_file(tmp_path / "nowhere" / "x.json")


def test_what_is_there_already_may_be_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "overlay.mp4").mkdir()
    with pytest.raises(InvalidParameter, match=r"output: expected a file, got the folder .*/overlay\.mp4"):
        writable_results(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    with pytest.raises(InvalidParameter, match=r"/link is a link to nothing"):
        writable_results(tmp_path / "link")
    assert writable_file(Path(os.devnull)) == Path(os.devnull)


def test_a_file_that_may_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everything
    (tmp_path / "x.json").write_text("")
    with pytest.raises(InvalidParameter, match=r"x\.json: Permission denied"):
        writable_file(tmp_path / "x.json")


@pytest.mark.parametrize("check", [writable_folder, writable_results, writable_file])
def test_a_name_that_is_too_long_is_named(check: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="File name too long"):
        check(tmp_path / ("x" * 300))


def test_a_full_or_read_only_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(InvalidParameter, match="Read-only file system"):
        writable_folder(tmp_path)


def test_videos_of_one_name_do_not_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.ts", "a.mp4"):
        Path(name).write_text("")
    assert result_folder(Path("a.ts"), None) != result_folder(Path("a.mp4"), None)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["segment", "a.mp4", "--out", "a.mp4/out"], id="segment"),
        pytest.param(["segment", "a.mp4", "--out", "taken"], id="segment, a folder in the place of a file"),
        pytest.param(["demo", "--clip", "a.mp4", "--out", "a.mp4"], id="demo"),
        pytest.param(["submit", "a.mp4", "--out", "a.mp4/out", "--url", "http://127.0.0.1:1"], id="submit"),
        pytest.param(["evaluate", ".", "--json", "nowhere/x.json"], id="evaluate --json"),
        pytest.param(["evaluate", ".", "--results", "nowhere/x.json"], id="evaluate --results"),
        pytest.param(["evaluate", ".", "--report", "a.mp4/out"], id="evaluate --report"),
        pytest.param(["compare", "a", "b", "--json", "nowhere/x.json"], id="compare --json"),
        pytest.param(["table2", ".", "--json", "nowhere/x.json"], id="table2 --json"),
        pytest.param(["table2", ".", "--markdown", "nowhere/x.md"], id="table2 --markdown"),
        pytest.param(["tune", ".", "--out", "nowhere/x.json"], id="tune --out"),
        pytest.param(["bench", "--json", "nowhere/x.json"], id="bench --json"),
        pytest.param(["bench", "--profile", "a.mp4/out"], id="bench --profile"),
        pytest.param(["export", "lite", "--out", "a.mp4/out"], id="export lite"),
        pytest.param(["models", "import", "a.pth", "--out", "a.mp4/out"], id="models import"),
    ],
)
def test_every_command_checks_its_outputs_first(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.mp4").write_text("no video")
    Path("taken/tubelets.json").mkdir(parents=True)
    error = CliRunner().invoke(build_app(words), words).exception
    assert isinstance(error, InvalidParameter)
    assert error.detail.startswith("output: expected")

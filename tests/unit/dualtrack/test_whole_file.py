"""A file is there whole or not at all; one that was there before stays."""

from pathlib import Path

import pytest

from dualtrack.whole_file import written_whole


@pytest.mark.parametrize("before", [pytest.param(None, id="nothing there"), pytest.param("old", id="one there")])
def test_what_fails_leaves_what_was_there(before: str | None, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    if before is not None:
        path.write_text(before)

    def fail() -> None:
        with written_whole(path) as part:
            part.write_text("half of it")
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        fail()
    assert {found.name: found.read_text() for found in tmp_path.iterdir()} == (
        {} if before is None else {"a.json": "old"}
    )
    with written_whole(path) as part:
        part.write_text("new")
    assert {found.name: found.read_text() for found in tmp_path.iterdir()} == {"a.json": "new"}

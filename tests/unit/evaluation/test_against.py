"""Rows 14 and 15: two commands take turns on the same clips, each turn with a cache of its own."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from evaluation.bench.bench import Bench
from evaluation.bench.plan import BenchPlan
from evaluation.bench.subjects import against

PROGRAM = """#!/bin/sh
echo "{name} $5 $6 $DUALTRACK_DATA_DIR" | sed "s|{folder}/||g" >> {folder}/log
i=0; while [ $i -lt {loops} ]; do i=$((i + 1)); done
exit {code}
"""


def program(folder: Path, name: str, loops: int, code: int = 0) -> Path:
    """A command that uses some CPU time, and notes what it was called with."""
    path = folder / name
    path.write_text(PROGRAM.format(name=name, folder=folder, loops=loops, code=code))
    path.chmod(0o755)
    return path


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(against, "OURS", (str(program(tmp_path, "new", 200_000)),))
    nothing = cast("Any", None)
    clips = (Path("a.mp4"), Path("b.mp4"))
    old = program(tmp_path, "old", 2_000_000)
    return Bench(nothing, nothing, tmp_path, BenchPlan(repeats=2), lambda _: None, old, clips)


def calls(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "log").read_text().splitlines()]


def test_two_versions_take_turns_on_all_clips(bench: Bench, tmp_path: Path) -> None:
    outcome = asyncio.run(against.first(bench))
    assert [(name, data.partition("/")[0]) for name, *_, data in calls(tmp_path)] == [
        (name, f"first-{turn}-{name}") for turn in (0, 1) for name in ("old", "old", "new", "new")
    ]
    (figure,) = outcome.figures
    # ten times as much in the old one, and what it costs to start a shell
    assert 0 < figure.value < 0.9
    assert outcome.notes[0].startswith("CPU: old ")


def test_a_repeat_shares_the_cache_of_its_turn(bench: Bench, tmp_path: Path) -> None:
    outcome = asyncio.run(against.repeated(bench))
    own = [call for call in calls(tmp_path) if call[-1].startswith("repeated-1-new")]
    assert [call[-2] if "-p" in call else "first" for call in own] == [
        "first",
        "th_cc=0.2",
        "th_seq=0.4",
        "th_det=0.25",
    ]
    assert len({call[-1] for call in own}) == 1
    assert [(figure.name, figure.limit) for figure in outcome.figures] == [("th_cc", 1), ("th_seq", 1), ("th_det", 0.3)]


def test_without_another_version_the_rows_are_not_measured(bench: Bench) -> None:
    for row in (against.first, against.repeated):
        assert asyncio.run(row(replace(bench, against=None))).why_not == against.NEEDED


def test_a_command_that_fails_is_named(bench: Bench, tmp_path: Path) -> None:
    failing = replace(bench, against=program(tmp_path, "broken", 1, code=6))
    with pytest.raises(against.Unavailable, match=f"{os.sep}broken segment .*exit code 6"):
        asyncio.run(against.first(failing))

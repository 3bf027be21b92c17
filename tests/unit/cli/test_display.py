"""What the commands print of a result."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from dualtrack.result.model import Chunk, Head, Video
from dualtrack.result.result import Result
from service.cli.display import tubelet_table


def printed(damage: str | None = None, left_out: int = 0, capped: tuple[bool, ...] = (False,)) -> str:
    video, chunks = replace(Video(64, 48, 25), damage=damage), tuple(Chunk(0, 24, 30, each) for each in capped)
    head = Head(video, {}, None, {"min_score": 0.1, "max_seeds": 30}, (), 1, chunks, (), left_out=left_out)
    out = StringIO()
    Console(file=out, width=120).print(tubelet_table(Result(head, ())))
    # notes are wrapped to the width of the table
    return " ".join(out.getvalue().split())


@pytest.mark.parametrize("damage", [None, "Invalid data [found], after frame 24 at 0.96 s"])
def test_damage_is_shown_where_there_is_some(damage: str | None) -> None:
    text = printed(damage)
    assert "0 tubelets in 25 frames" in text
    assert ("damaged" in text) == (damage is not None)
    assert damage is None or f"damaged video: {damage}" in text


def test_what_is_not_listed_is_counted() -> None:
    assert "below" not in printed()
    assert "not listed: 12 with a score below min_score, 0.1" in printed(left_out=12)


def test_a_limit_that_was_reached_is_named() -> None:
    assert "max_seeds" not in printed()
    assert "max_seeds, 30, reached in 2 of 3 chunks: objects may be missing" in printed(capped=(True, False, True))


def test_notes_follow_the_table_in_order() -> None:
    text = printed("cut", 1, (True,))
    places = [text.index(note) for note in ("0 tubelets", "class", "not listed", "max_seeds", "damaged video")]
    assert places == sorted(places)

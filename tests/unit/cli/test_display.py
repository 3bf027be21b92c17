"""What the commands print of a result."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from dualtrack.result.model import Head, Video
from dualtrack.result.result import Result
from service.cli.display import tubelet_table


def printed(damage: str | None) -> str:
    video = replace(Video(64, 48, 25), damage=damage)
    out = StringIO()
    Console(file=out, width=120).print(tubelet_table(Result(Head(video, {}, None, {}, (), 1, (), ()), ())))
    return out.getvalue()


@pytest.mark.parametrize("damage", [None, "Invalid data [found], after frame 24 at 0.96 s"])
def test_damage_is_shown_where_there_is_some(damage: str | None) -> None:
    text = " ".join(printed(damage).split())
    assert "0 tubelets in 25 frames" in text
    assert ("damaged" in text) == (damage is not None)
    assert damage is None or f"damaged video: {damage}" in text

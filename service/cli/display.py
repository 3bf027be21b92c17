"""What the commands show: a progress line and the table of tubelets."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table


class StageBar:
    """One bar that follows a job through its stages: stage, frames, rate, ETA."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._stage = ""

    def update(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` frames of `stage` are done."""
        if stage != self._stage or self._task is None:
            self._finish()
            self._stage, self._task = stage, self._progress.add_task(stage, total=total, rate="")
        speed = self._progress.tasks[-1].speed
        rate = f"{speed:.1f} frames/s" if speed else ""
        self._progress.update(self._task, completed=done, total=total, rate=rate)

    def _finish(self) -> None:
        if self._task is not None:
            total = self._progress.tasks[-1].total
            self._progress.update(self._task, completed=total)


@contextmanager
def stage_bar(console: Console) -> Iterator[StageBar]:
    """A live progress display on `console`; plain lines where it is no terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=28),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TextColumn("{task.fields[rate]:>15}"),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield StageBar(progress)


def tubelet_table(document: dict[str, Any]) -> Table:
    """Table of a result document: one row per tubelet, best first."""
    video = document["video"]
    title = f"{len(document['tubelets'])} tubelets in {video['frames']} frames ({video['width']}x{video['height']})"
    table = Table(title=title, title_justify="left")
    for name in ("id", "score", "first frame", "last frame", "frames"):
        table.add_column(name, justify="right")
    table.columns[0].justify = "right"
    table.add_column("class")
    for item in document["tubelets"]:
        table.add_row(
            str(item["id"]),
            f"{item['score']:.3f}",
            str(item["first_frame"]),
            str(item["last_frame"]),
            str(item["frames"]),
            item["category"],
        )
    return table

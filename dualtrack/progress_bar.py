"""Progress display of a job in a terminal or a notebook: one bar per stage."""

from collections.abc import Iterator
from contextlib import contextmanager

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from dualtrack.progress import Progress


class ProgressBar:
    """Shows stage, frames, frames per second and estimated time left of the stage."""

    def __init__(self, display: rich.progress.Progress) -> None:
        self._display = display
        self._task: TaskID | None = None
        self._stage = ""

    def show(self, progress: Progress) -> None:
        """Update the bar of the current stage, or add one when a new stage begins."""
        if progress.stage != self._stage or self._task is None:
            self._finish()
            self._stage = progress.stage
            self._task = self._display.add_task(progress.stage, total=progress.total, rate="")
        speed = self._display.tasks[-1].speed
        rate = f"{speed:.1f} frames/s" if speed else ""
        self._display.update(self._task, completed=progress.done, total=progress.total, rate=rate)

    def _finish(self) -> None:
        if self._task is not None:
            total = self._display.tasks[-1].total
            self._display.update(self._task, completed=total)


@contextmanager
def progress_bar(console: Console | None = None) -> Iterator[ProgressBar]:
    """Show a live bar while the block runs, on `console` or standard error; without a terminal, print plain lines."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=28),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TextColumn("{task.fields[rate]:>15}"),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with rich.progress.Progress(*columns, console=console or Console(stderr=True)) as display:
        yield ProgressBar(display)


def is_interactive(console: Console) -> bool:
    """Whether the console is a terminal or a notebook."""
    return console.is_terminal or console.is_jupyter

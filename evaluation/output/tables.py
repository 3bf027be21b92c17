"""Tables that the evaluation commands print."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from evaluation.data.dataset import Document
from evaluation.metrics.bootstrap import Difference
from evaluation.metrics.ytvis import figures
from evaluation.runs.tuning import Trial

BEST = 10
"""Number of combinations shown."""
MOST_COLUMNS = 9
"""Number of metrics that fit side by side on 80 columns."""


def figure_table(document: Document, title: str) -> Table:
    """One row per number in a document."""
    table = Table("metric", "value", title=title)
    for name, value in _numbers(document).items():
        table.add_row(name, number(value))
    return table


def stratum_table(strata: Mapping[str, Document], field: str) -> Table:
    """One row per stratum, one column per metric; fits on 80 columns, long names are wrapped.

    If there are too many metrics, one row per metric and one column per stratum.
    """
    fullest_first = sorted(strata.values(), key=len, reverse=True)
    names = list(dict.fromkeys(name for row in fullest_first for name in _numbers(row)))
    if len(names) > MOST_COLUMNS:
        return _turned(strata, names, field)
    table = Table(title=f"by {field}", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(field, overflow="fold")
    for name in names:
        table.add_column(name.replace("_", "_\n", 1), justify="right")
    for value, row in strata.items():
        table.add_row(value, *(number(row[name], digits=3) if name in row else "" for name in names))
    return table


def _turned(strata: Mapping[str, Document], names: Sequence[str], field: str) -> Table:
    table = Table(title=f"by {field}", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("metric")
    for value in strata:
        table.add_column(value, justify="right", overflow="fold")
    for name in names:
        table.add_row(name, *(number(row[name]) if name in row else "" for row in strata.values()))
    return table


def _numbers(document: Document) -> Document:
    return {name: value for name, value in document.items() if not isinstance(value, list | dict)}


def difference_table(found: Mapping[str, Difference], title: str) -> Table:
    """One row per metric: both values, their difference, its interval and how often it is above 0."""
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("metric")
    for name in ("A", "B", "B - A", "low", "high", "B > A"):
        table.add_column(name, justify="right")
    for name, it in found.items():
        signed = (f"{value:+.4f}" for value in (it.b - it.a, it.low, it.high))
        table.add_row(name, f"{it.a:.4f}", f"{it.b:.4f}", *signed, f"{it.above:.0%}")
    return table


def row_table(rows: Mapping[str, Document], title: str) -> Table:
    """One row per method or ablation; fits on 80 columns."""
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("row")
    for name in (*figures([]), "s/frame"):
        table.add_column(name.replace("_", "_\n", 1), justify="right")
    for name, cells in _row_cells(rows).items():
        table.add_row(name, *cells)
    return table


def markdown_rows(rows: Mapping[str, Document], found: Mapping[str, Mapping[str, Difference]]) -> str:
    """The same as Markdown, followed by a line per pair of rows with the intervals of AP and AP50."""
    names = ("row", *figures([]), "s/frame")
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    lines += [f"| {' | '.join((f'`{name}`', *cells))} |" for name, cells in _row_cells(rows).items()]
    for title, difference in found.items():
        intervals = (
            f"{name} {it.b - it.a:+.3f} [{it.low:+.3f}, {it.high:+.3f}]"
            for name, it in difference.items()
            if name in {"AP", "AP50"}
        )
        lines += ["", f"{title}: {', '.join(intervals)}"]
    return "\n".join(lines) + "\n"


def _row_cells(rows: Mapping[str, Document]) -> dict[str, list[str]]:
    """Metrics and seconds per frame, the latter with ≥ if results were reused."""
    return {
        name: [
            *(number(row[figure], digits=3) for figure in figures([])),
            f"{'≥ ' if row['taken_over'] else ''}{row['seconds_per_frame']:.2f}",
        ]
        for name, row in rows.items()
    }


def trial_table(trials: Sequence[Trial], metric: str, halves: tuple[Sequence[int], Sequence[int]]) -> Table:
    """The best combinations, then the defaults: the metric on all clips and on the halves, and the values."""
    ranked = sorted(trials[1:], key=lambda trial: -trial.figure(metric))[:BEST]
    title = f"{metric}: the best {len(ranked)} of {len(trials) - 1} combinations, and the defaults"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for name in ("all", "half 1", "half 2"):
        table.add_column(name, justify="right")
    table.add_column("combination", overflow="fold")
    for trial in (*ranked, trials[0]):
        parts = [f"{trial.figure(metric, half):.3f}" for half in (range(len(trial.clips)), *halves)]
        table.add_row(*parts, trial.text)
    return table


def number(value: object, *, digits: int = 4) -> str:
    """Integers unchanged, other numbers with `digits` digits."""
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)

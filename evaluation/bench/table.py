"""The results as a console table, as Markdown and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict

from rich import box
from rich.table import Table

from evaluation.bench.figures import Figure, RowOutcome
from evaluation.bench.rows import BenchRow
from evaluation.data.dataset import Document

Found = Mapping[BenchRow, RowOutcome]
STYLES = {"ok": "green", "falls short": "red", "not measured": "yellow"}


def bench_table(found: Found, title: str) -> Table:
    """One row per benchmark row, one line per figure, and the notes below."""
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("#", justify="right")
    table.add_column("row", overflow="fold")
    for name in ("target", "figure"):
        table.add_column(name, justify="right")
    table.add_column("", overflow="fold")
    for row, outcome in found.items():
        targets, figures = _lines(outcome)
        verdict = f"[{STYLES[outcome.verdict]}]{_verdict(outcome)}[/]"
        table.add_row(str(row.number), row.title, "\n".join(targets), "\n".join(figures), verdict)
    return table


def bench_markdown(found: Found) -> str:
    """The same, with the notes as a column."""
    lines = ["| # | row | target | figure | | notes |", "|---|---|---|---|---|---|"]
    for row, outcome in found.items():
        cells = ["<br>".join(part) for part in _lines(outcome)]
        lines.append(f"| {row.number} | {row.title} | {' | '.join(cells)} | {_verdict(outcome)} | {_notes(outcome)} |")
    return "\n".join(lines) + "\n"


def bench_document(found: Found) -> list[Document]:
    """One object per row."""
    return [
        {
            "row": row.number,
            "title": row.title,
            "verdict": outcome.verdict,
            "why_not": outcome.why_not,
            "figures": [{**asdict(figure), "ok": figure.ok} for figure in outcome.figures],
            "notes": list(outcome.notes),
        }
        for row, outcome in found.items()
    ]


def _lines(outcome: RowOutcome) -> tuple[list[str], list[str]]:
    """Targets and figures, as lines."""
    return [figure.target for figure in outcome.figures], [_named(figure) for figure in outcome.figures]


def _named(figure: Figure) -> str:
    return f"{figure.name}: {figure.text}" if figure.name else figure.text


def _verdict(outcome: RowOutcome) -> str:
    return f"{outcome.verdict} ({outcome.why_not})" if outcome.why_not else outcome.verdict


def _notes(outcome: RowOutcome) -> str:
    return "; ".join(outcome.notes).replace("|", "/")

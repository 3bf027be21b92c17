"""What the evaluation commands print."""

from collections.abc import Mapping

from rich.table import Table

from evaluation.dataset import Document


def figure_table(document: Document, title: str) -> Table:
    """A row per number of a document."""
    table = Table("metric", "value", title=title)
    for name, value in document.items():
        if not isinstance(value, list | dict):
            table.add_row(name, number(value))
    return table


def stratum_table(strata: Mapping[str, Mapping[str, float]], field: str) -> Table:
    """A row per stratum, a column per figure."""
    names = list(dict.fromkeys(name for figures in strata.values() for name in figures))
    table = Table(field, title=f"by {field}")
    for name in names:
        table.add_column(name, justify="right")
    for value, figures in strata.items():
        table.add_row(value, *(number(figures[name]) if name in figures else "" for name in names))
    return table


def number(value: object) -> str:
    """Counts as they are, everything else with four digits."""
    return f"{value:.4f}" if isinstance(value, float) else str(value)

"""The result of a benchmark row, and whether it meets its target."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "falls short", "not measured"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a row.

    Attributes:
        name: what was measured; empty if it is the row's only number.
        value: the median.
        unit: of value and limit; empty for ratios.
        limit: the target.
        at_least: the limit is a minimum, otherwise a maximum.
    """

    name: str
    value: float
    unit: str
    limit: float
    at_least: bool = False

    @property
    def ok(self) -> bool:
        """Whether the value meets the limit; NaN never does."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def target(self) -> str:
        """The limit as text."""
        return f"{'≥' if self.at_least else '≤'} {_short(self.limit)}{self._unit}"

    @property
    def text(self) -> str:
        """The value as text."""
        return f"{_short(self.value)}{self._unit}"

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """The outcome of a row.

    Attributes:
        figures: empty if it was not measured.
        why_not: why it was not measured.
        notes: conditions of the measurement, and the terms of a ratio.
    """

    figures: tuple[Figure, ...] = ()
    why_not: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.figures) == bool(self.why_not):
            raise ValueError("outcome: expected either figures or why_not")

    @property
    def verdict(self) -> Verdict:
        """`ok` if every figure is ok."""
        if not self.figures:
            return "not measured"
        return "ok" if all(figure.ok for figure in self.figures) else "falls short"


def _short(value: float) -> str:
    """Three significant digits; integers with more are not shortened."""
    if value != value or abs(value) >= 100:  # noqa: PLR0124 (NaN)
        return f"{value:.0f}"
    return f"{value:.3g}"

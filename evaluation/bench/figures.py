"""What a row of the bench found, and whether that is what was wanted."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "falls short", "not measured"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a row.

    Attributes:
        name: what was measured; empty where the row has only this one.
        value: the median.
        unit: of value and limit; empty for ratios.
        limit: what it is held against.
        at_least: the value must not be below the limit; otherwise not above it.
    """

    name: str
    value: float
    unit: str
    limit: float
    at_least: bool = False

    @property
    def ok(self) -> bool:
        """The limit holds. A value that is no number never does."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def target(self) -> str:
        """The limit in words."""
        return f"{'≥' if self.at_least else '≤'} {_short(self.limit)}{self._unit}"

    @property
    def text(self) -> str:
        """The value in words."""
        return f"{_short(self.value)}{self._unit}"

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """A row after it ran.

    Attributes:
        figures: none if it was not measured.
        why_not: why there are none.
        notes: under which conditions, and the parts of a ratio.
    """

    figures: tuple[Figure, ...] = ()
    why_not: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.figures) == bool(self.why_not):
            raise ValueError("outcome: expected figures, or why there are none")

    @property
    def verdict(self) -> Verdict:
        """`ok` if every figure is."""
        if not self.figures:
            return "not measured"
        return "ok" if all(figure.ok for figure in self.figures) else "falls short"


def _short(value: float) -> str:
    """Three digits; whole numbers where these are more."""
    if value != value or abs(value) >= 100:  # noqa: PLR0124 (not a number)
        return f"{value:.0f}"
    return f"{value:.3g}"

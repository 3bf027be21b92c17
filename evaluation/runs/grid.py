"""Grids over job parameters: `th_seq=0.3,0.5`, or several varied together, `lost_enter/lost_leave=0.2/0.5`."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from dualtrack.deprecations import OLD_NAMES
from dualtrack.errors import InvalidParameter

DEFAULT_GRID = (
    "estimator/th_cc=best_window/0.15,best_window/0.3,frame_max/0.15,all_candidates/0.05",
    "th_iou=0.5,0.7",
    "lost_enter/lost_leave=0.5/0.7,0.2/0.5",
    "th_seq=0.5,0.3,0.7",
    "score=matched_zero,matched_skip",
)
"""Values close to the defaults come first: of equally good combinations, the first is chosen."""
DEEPSORT_GRID = (
    "deepsort_appearance=f4,box_head,both",
    "deepsort_min_score=0.2,0.4",
    "deepsort_max_cosine=0.2,0.1,0.05",
    "deepsort_max_iou_distance=0.7,0.9",
    "deepsort_max_age=30,5",
    "deepsort_n_init=1,2",
)


@dataclass(frozen=True)
class Axis:
    """Parameters that are varied together, and their values: one text per name in each value."""

    names: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]


def parse_axis(text: str) -> Axis:
    """`NAME[/NAME…]=VALUE[/VALUE…],…` -> axis, with current names.

    Raises:
        InvalidParameter: the text has another form.
    """
    left, equals, right = text.partition("=")
    names = tuple(OLD_NAMES.get(name.strip(), name.strip()) for name in left.split("/"))
    values = tuple(tuple(part.strip() for part in value.split("/")) for value in right.split(","))
    if not equals or not all(names) or any(len(value) != len(names) or not all(value) for value in values):
        raise InvalidParameter(f"grid: expected NAME=VALUE,VALUE… or NAME/NAME=VALUE/VALUE,…, got {text!r}")
    return Axis(names, values)


def make_grid(given: Sequence[str], default: Sequence[str] = DEFAULT_GRID) -> list[Axis]:
    """The default axes without those that share a name with a given one, then the given ones."""
    own = [parse_axis(text) for text in given]
    named = {name for axis in own for name in axis.names}
    return [axis for axis in map(parse_axis, default) if not named.intersection(axis.names)] + own


def combinations(grid: Sequence[Axis]) -> list[dict[str, str]]:
    """Every combination, as name → value; the last axis varies fastest."""
    return [
        {
            name: part
            for axis, value in zip(grid, chosen, strict=True)
            for name, part in zip(axis.names, value, strict=True)
        }
        for chosen in itertools.product(*(axis.values for axis in grid))
    ]

"""A category as results name it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Category:
    """One category: its id in its set, and its name."""

    id: int
    name: str


def plain_name(name: str) -> str:
    """A name as it is compared: data sets differ in case, and in `_` for a blank."""
    return name.strip().lower().replace("_", " ")

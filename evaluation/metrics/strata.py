"""Metrics per stratum: clips or images grouped by a text field of their entries."""

from collections.abc import Sequence
from typing import TypeVar

from dualtrack.errors import InvalidParameter
from evaluation.data.dataset import AnnotatedVideo, Document
from evaluation.metrics.figures import figures_of

Item = TypeVar("Item")


def stratum_figures(
    clips: Sequence[Document], videos: Sequence[AnnotatedVideo], field: str
) -> dict[str, dict[str, float]]:
    """`clips` and metrics of the clips with each value of `field`, in alphabetical order.

    Raises:
        InvalidParameter: a video lacks the field, or it is not text.
    """
    groups = group_by_field(clips, [video.record for video in videos], field)
    return {value: {"clips": len(group), **figures_of(group)} for value, group in groups.items()}


def group_by_field(items: Sequence[Item], entries: Sequence[Document], field: str) -> dict[str, list[Item]]:
    """Items grouped by the value of `field` in their entries, in alphabetical order.

    Raises:
        InvalidParameter: an entry lacks the field, or it is not text.
    """
    groups: dict[str, list[Item]] = {}
    for item, entry in zip(items, entries, strict=True):
        groups.setdefault(_value(entry, field), []).append(item)
    return dict(sorted(groups.items()))


def check_field(videos: Sequence[AnnotatedVideo], field: str) -> None:
    """Raise InvalidParameter unless every video has `field`; called before hours of work, not after."""
    for video in videos:
        _value(video.record, field)


def _value(entry: Document, field: str) -> str:
    value = entry.get(field)
    if not isinstance(value, str):
        known = sorted(name for name, value in entry.items() if isinstance(value, str))
        raise InvalidParameter(f"by: expected a text field of the entries, one of {known}, got {field!r}")
    return value

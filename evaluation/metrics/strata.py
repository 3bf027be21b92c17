"""Figures per stratum: the clips or images of a data set by a text field of their entries."""

from collections.abc import Sequence
from typing import TypeVar

from dualtrack.errors import InvalidParameter
from evaluation.data.dataset import AnnotatedVideo, Document
from evaluation.metrics.figures import figures_of

Item = TypeVar("Item")


def stratum_figures(
    clips: Sequence[Document], videos: Sequence[AnnotatedVideo], field: str
) -> dict[str, dict[str, float]]:
    """For every value of `field`, in alphabetical order, `clips` and the figures of the clips that have it.

    Raises:
        InvalidParameter: a video has no such field, or it is no text.
    """
    groups = group_by_field(clips, [video.record for video in videos], field)
    return {value: {"clips": len(group), **figures_of(group)} for value, group in groups.items()}


def group_by_field(items: Sequence[Item], entries: Sequence[Document], field: str) -> dict[str, list[Item]]:
    """Items by the text that their entry has in `field`, in alphabetical order.

    Raises:
        InvalidParameter: an entry has no such field, or it is no text.
    """
    groups: dict[str, list[Item]] = {}
    for item, entry in zip(items, entries, strict=True):
        groups.setdefault(_value(entry, field), []).append(item)
    return dict(sorted(groups.items()))


def check_field(videos: Sequence[AnnotatedVideo], field: str) -> None:
    """Raise InvalidParameter unless every video has `field`: before the hours of work, not after."""
    for video in videos:
        _value(video.record, field)


def _value(entry: Document, field: str) -> str:
    value = entry.get(field)
    if not isinstance(value, str):
        known = sorted(name for name, value in entry.items() if isinstance(value, str))
        raise InvalidParameter(f"by: expected a text field of the entries, one of {known}, got {field!r}")
    return value

"""Figures per stratum: the clips of a data set by a text field of their entries."""

from collections.abc import Sequence

from evaluation.dataset import AnnotatedVideo, Document
from evaluation.figures import figures_of
from service.errors import InvalidParameter


def stratum_figures(
    clips: Sequence[Document], videos: Sequence[AnnotatedVideo], field: str
) -> dict[str, dict[str, float]]:
    """For every value of `field`, in alphabetical order, `clips` and the figures of the clips that have it.

    Raises:
        InvalidParameter: a video has no such field, or it is no text.
    """
    groups: dict[str, list[Document]] = {}
    for clip, video in zip(clips, videos, strict=True):
        groups.setdefault(_value(video, field), []).append(clip)
    return {value: {"clips": len(group), **figures_of(group)} for value, group in sorted(groups.items())}


def check_field(videos: Sequence[AnnotatedVideo], field: str) -> None:
    """Raise InvalidParameter unless every video has `field`: before the hours of work, not after."""
    for video in videos:
        _value(video, field)


def _value(video: AnnotatedVideo, field: str) -> str:
    value = video.record.get(field)
    if not isinstance(value, str):
        known = sorted(name for name, value in video.record.items() if isinstance(value, str))
        raise InvalidParameter(f"by: expected a text field of the videos, one of {known}, got {field!r}")
    return value

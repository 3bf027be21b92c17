"""The classes of a source of candidates."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dualtrack.result.model import Category
from service.inference.repository.manifest import Manifest, ModelClass, display_names
from service.pipeline.categories.published import published_ids


@dataclass(frozen=True, slots=True)
class ClassVector:
    """The classes of one source.

    Attributes:
        source: identifies what candidates depend on in addition to parameters; part of cache keys.
        classes: in order of the vector.
        categories: ids and names of the classes in results, in the same order.
    """

    source: str
    classes: tuple[ModelClass, ...]
    categories: tuple[Category, ...]


def numbered(source: str, classes: Sequence[ModelClass]) -> ClassVector:
    """Classes with published ids, or numbered from 1 if any class has none."""
    ids = published_ids(classes)
    return counted(source, classes) if ids is None else _with_ids(source, classes, ids)


def counted(source: str, classes: Sequence[ModelClass]) -> ClassVector:
    """Classes numbered from 1: for classes without published ids, and in results from before schema 1."""
    return _with_ids(source, classes, range(1, len(classes) + 1))


def bundled(manifest: Manifest) -> ClassVector:
    """The classes of the repository's `mask_rcnn`."""
    return numbered(manifest.release, manifest.classes)


def described(version: str, classes: tuple[ModelClass, ...], categories: tuple[Category, ...] | None) -> ClassVector:
    """The classes of an external detector.

    Args:
        version: hash of its description and graph.
        classes: in order of the vector.
        categories: of a bundled set, whose ids are kept; None if the classes have no ids.
    """
    source = f"detector {version}"
    return numbered(source, classes) if categories is None else ClassVector(source, classes, categories)


def _with_ids(source: str, classes: Sequence[ModelClass], ids: Iterable[int]) -> ClassVector:
    names = display_names(classes)
    categories = tuple(Category(number, name) for number, name in zip(ids, names, strict=True))
    return ClassVector(source, tuple(classes), categories)

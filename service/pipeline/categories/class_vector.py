"""What the class vectors of a source of candidates mean."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dualtrack.result.model import Category
from service.inference.repository.manifest import Manifest, ModelClass, display_names
from service.pipeline.categories.published import published_ids
from service.pipeline.detection.description import DetectorFile


@dataclass(frozen=True, slots=True)
class ClassVector:
    """The classes of one source.

    Attributes:
        source: names what candidates depend on besides the parameters; part of the cache's keys.
        classes: in the order of the vector.
        categories: ids and names under which results tell the classes, in the same order.
    """

    source: str
    classes: tuple[ModelClass, ...]
    categories: tuple[Category, ...]


def numbered(source: str, classes: Sequence[ModelClass]) -> ClassVector:
    """Classes under their published ids; counted from 1 where some have none."""
    ids = published_ids(classes)
    return counted(source, classes) if ids is None else _with_ids(source, classes, ids)


def counted(source: str, classes: Sequence[ModelClass]) -> ClassVector:
    """Classes counted from 1: those without published ids, and all of them in results from before schema 1."""
    return _with_ids(source, classes, range(1, len(classes) + 1))


def bundled(manifest: Manifest) -> ClassVector:
    """The classes of the repository's `mask_rcnn`."""
    return numbered(manifest.release, manifest.classes)


def described(file: DetectorFile) -> ClassVector:
    """The classes of a detector from outside; a bundled set's ids stay."""
    source = f"detector {file.version}"
    if file.categories is None:
        return numbered(source, file.classes)
    return ClassVector(source, file.classes, file.categories)


def _with_ids(source: str, classes: Sequence[ModelClass], ids: Iterable[int]) -> ClassVector:
    names = display_names(classes)
    categories = tuple(Category(number, name) for number, name in zip(ids, names, strict=True))
    return ClassVector(source, tuple(classes), categories)

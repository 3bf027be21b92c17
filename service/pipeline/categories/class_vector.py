"""What the class vectors of a source of candidates mean."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.inference.repository.manifest import Manifest, ModelClass, display_names
from service.structures.categories import Category


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


def counted(source: str, classes: Sequence[ModelClass]) -> ClassVector:
    """Classes that have no ids of their own: counted from 1."""
    categories = tuple(Category(number, name) for number, name in enumerate(display_names(classes), start=1))
    return ClassVector(source, tuple(classes), categories)


def bundled(manifest: Manifest) -> ClassVector:
    """The classes of the repository's `mask_rcnn`."""
    return counted(manifest.version, manifest.classes)


def described(version: str, classes: tuple[ModelClass, ...], categories: tuple[Category, ...] | None) -> ClassVector:
    """The classes of a detector from outside.

    Args:
        version: hash of its description and its graph.
        classes: in the order of the vector.
        categories: of a bundled set, whose ids stay; None: the classes have no ids of their own.
    """
    source = f"detector {version}"
    return counted(source, classes) if categories is None else ClassVector(source, classes, categories)

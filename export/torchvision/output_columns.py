"""Maps the outputs of a class head to classes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dualtrack.errors import ConfigurationError
from dualtrack.result.model import Category
from service.inference.repository.manifest import OWN, ModelClass
from service.pipeline.categories.tables import TABLES, category_table

COCO_OUTPUTS = 91
"""Number of outputs of torchvision's COCO weights: background, then COCO's ids up to 90, ten of which are unused."""


@dataclass(frozen=True, slots=True)
class OutputColumns:
    """The class vector of a head.

    Attributes:
        classes: in the order of the class vector.
        columns: the head's output for each class; 0 is background.
    """

    classes: tuple[ModelClass, ...]
    columns: tuple[int, ...]


def output_columns(outputs: int, categories: str | None) -> OutputColumns:
    """The classes and their columns.

    Args:
        outputs: number of outputs of the head, including background.
        categories: name of a bundled set, or a JSON file with a list of names in the order of the outputs, or a list
            of categories whose ids are the outputs, at top level or under `categories`. None: COCO, if there are 91
            outputs.

    Raises:
        ConfigurationError: names and outputs do not match.
    """
    if categories is None:
        if outputs != COCO_OUTPUTS:
            raise ConfigurationError(
                f"categories: the checkpoint has {outputs - 1} classes, COCO's weights {COCO_OUTPUTS - 1}; "
                "expected their names (--categories)"
            )
        categories = "coco"
    for name in TABLES:
        if categories == name:
            return _columns(category_table(name).categories, name, outputs, categories)
    return _columns(_read(Path(categories)), OWN, outputs, categories)


def _columns(categories: Sequence[Category], vocabulary: str, outputs: int, source: str) -> OutputColumns:
    ordered = sorted(categories, key=lambda category: category.id)
    columns = tuple(category.id for category in ordered)
    if len(ordered) == outputs - 1 and vocabulary != OWN:  # trained on the set with consecutive ids
        columns = tuple(range(1, outputs))
    if len(set(columns)) != len(columns) or min(columns) < 1 or max(columns) != outputs - 1:
        raise ConfigurationError(
            f"categories {source}: expected one for each of the checkpoint's {outputs - 1} classes, or ids up to "
            f"{outputs - 1}; got {len(columns)} with the ids {min(columns)} to {max(columns)}"
        )
    return OutputColumns(tuple(ModelClass(category.name, vocabulary) for category in ordered), columns)


def _read(file: Path) -> list[Category]:
    wanted = f"expected one of {', '.join(TABLES)}, or a JSON file with a list of names, or of ids and names"
    try:
        found = json.loads(file.read_text())
        listed = found["categories"] if isinstance(found, dict) else found
        if listed and all(isinstance(item, str) for item in listed):
            return [Category(number, name) for number, name in enumerate(listed, start=1)]
        read = [Category(int(item["id"]), str(item["name"])) for item in listed]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"categories {file}: {wanted}: {error!r}") from error
    if not read:
        raise ConfigurationError(f"categories {file}: {wanted}, got an empty list")
    return read

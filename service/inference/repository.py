"""The model repository: Triton's folder layout, with a manifest that says what the graphs are."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.errors import ConfigurationError
from service.inference.specs import ModelDims

MANIFEST = "manifest.json"
OWN = "own"
"""Vocabulary of names that belong to no set."""


@dataclass(frozen=True, slots=True)
class ModelClass:
    """One class of the class vector.

    Attributes:
        name: as its vocabulary writes it.
        vocabulary: `coco` or `ytvis2019`, both have a "mouse", and they mean different things; `own` of a list that
            a caller brought.
    """

    name: str
    vocabulary: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a repository holds.

    Attributes:
        path: its folder.
        preset: `lite` or `paper`.
        version: of the weights; part of every cache key.
        dims: numbers of the specs.
        classes: of the class vector, in order.
        graphs: sha256 of each graph's `1/model.onnx`.
    """

    path: Path
    preset: str
    version: str
    dims: ModelDims
    classes: tuple[ModelClass, ...]
    graphs: Mapping[str, str]

    @property
    def display_names(self) -> tuple[str, ...]:
        """One unique name per class."""
        return display_names(self.classes)

    def graph_path(self, graph: str) -> Path:
        """The ONNX file of a graph."""
        return self.path / graph / "1" / "model.onnx"


def display_names(classes: Sequence[ModelClass]) -> tuple[str, ...]:
    """One unique name per class; a name that two vocabularies have says which is meant."""
    names = Counter(item.name for item in classes)
    return tuple(item.name if names[item.name] == 1 else f"{item.name} ({item.vocabulary})" for item in classes)


def load_manifest(path: Path) -> Manifest:
    """Read `path`/manifest.json.

    Raises:
        ConfigurationError: it is missing or not what it should be; the message names the file and the field.
    """
    file = path / MANIFEST
    try:
        document: dict[str, Any] = json.loads(file.read_text())
        return Manifest(
            path=path,
            preset=document["preset"],
            version=document["version"],
            dims=ModelDims(**document["dims"]),
            classes=tuple(ModelClass(item["name"], item["vocabulary"]) for item in document["classes"]),
            graphs={name: entry["sha256"] for name, entry in document["graphs"].items()},
        )
    except FileNotFoundError as error:
        raise ConfigurationError(f"model repository: expected {file}, found no such file") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"model repository: {file} can't be read: {error!r}") from error


def verify(manifest: Manifest) -> None:
    """Compare every graph's file with the manifest.

    Raises:
        ConfigurationError: a file is missing or its sha256 differs.
    """
    for name, wanted in manifest.graphs.items():
        path = manifest.graph_path(name)
        if not path.is_file():
            raise ConfigurationError(f"model {name}: expected {path}, found no such file")
        with path.open("rb") as file:
            got = hashlib.file_digest(file, "sha256").hexdigest()
        if got != wanted:
            raise ConfigurationError(f"model {name}: expected sha256 {wanted[:16]}…, {path} has {got[:16]}…")

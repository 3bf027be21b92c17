"""The model repository: Triton's folder layout, with a manifest that describes the graphs."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dualtrack.errors import ConfigurationError
from service.inference.specs import ModelDims

MANIFEST = "manifest.json"
FORMAT = 1
"""Format of manifests written by this version. Older manifests without a number have format 0, and can be read."""
RENAMED = {"paper": "resnext"}
"""Architectures with a different name in manifests of format 0."""
ONNX_FILE, ENGINE_FILE = "model.onnx", "model.plan"
"""File names in a repository: graphs for onnxruntime, or TensorRT engines built for one GPU model."""
SERVED_VERSIONS = 2
"""Number of versions served per model: the newest, and the previous one, which running jobs keep using."""
OWN = "own"
"""Vocabulary of names that are in no set."""


@dataclass(frozen=True, slots=True)
class ModelClass:
    """One class of the class vector.

    Attributes:
        name: as spelled in its vocabulary.
        vocabulary: `coco` or `ytvis2019`, which have different meanings of "mouse"; `own` for a custom list.
    """

    name: str
    vocabulary: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Content of a repository.

    Attributes:
        path: folder of the repository.
        architecture: of the networks: `lite`, `resnext`, or the name of an imported detector.
        release: name of the set of weights, such as `lite-3`; part of every cache key.
        dims: dimensions of the specs.
        classes: of the class vector, in order.
        graphs: sha256 of each graph's file; empty for an engine that is not built yet.
        number: Triton's version number of the release, which is the name of the files' folder.
        file: name of the files, `ONNX_FILE` or `ENGINE_FILE`.
    """

    path: Path
    architecture: str
    release: str
    dims: ModelDims
    classes: tuple[ModelClass, ...]
    graphs: Mapping[str, str]
    number: int = 1
    file: str = ONNX_FILE

    @property
    def identity(self) -> str:
        """Unique identity of the weights: the release, and a digest of all files. Part of every cache key."""
        files = json.dumps(sorted(self.graphs.items()))
        return f"{self.release}-{hashlib.sha256(files.encode()).hexdigest()[:12]}"

    def graph_path(self, graph: str) -> Path:
        """The file of a graph."""
        return self.path / graph / str(self.number) / self.file


def display_names(classes: Sequence[ModelClass]) -> tuple[str, ...]:
    """One unique name per class; names that two vocabularies share are qualified."""
    names = Counter(item.name for item in classes)
    return tuple(item.name if names[item.name] == 1 else f"{item.name} ({item.vocabulary})" for item in classes)


def load_manifest(path: Path) -> Manifest:
    """Read `path`/manifest.json.

    Raises:
        ConfigurationError: it is missing, invalid, or of a newer format; the message names the file and the field.
    """
    return _load(path, MANIFEST)


def load_releases(path: Path) -> list[Manifest]:
    """The current release, then earlier ones that are complete in the repository, newest first.

    Raises:
        ConfigurationError: see `load_manifest`.
    """
    current = load_manifest(path)
    earlier = earlier_releases(path)
    kept = [release for release in earlier if all(release.graph_path(name).is_file() for name in release.graphs)]
    return [current, *kept]


def earlier_releases(path: Path) -> list[Manifest]:
    """All earlier releases with a manifest, complete or not, newest first.

    Raises:
        ConfigurationError: see `load_manifest`.
    """
    found = (_load(path, file.name) for file in path.glob(earlier_manifest("*")))
    return sorted(found, key=lambda release: -release.number)


def earlier_manifest(number: object) -> str:
    """File name of the manifest of an earlier release."""
    return f"manifest-{number}.json"


def manifest_entry(manifest: Manifest, graph: str) -> dict[str, Any]:
    """The manifest's entry of a graph: sha256, size, opset, difference to torch."""
    current = manifest.path / MANIFEST
    names = [current, manifest.path / earlier_manifest(manifest.number)]
    documents = (json.loads(file.read_text()) for file in names if file.is_file())
    mine = (document for document in documents if int(document.get("number", 1)) == manifest.number)
    entry: dict[str, Any] = next(mine)["graphs"][graph]
    return entry


def _load(path: Path, name: str) -> Manifest:
    file = path / name
    try:
        document: dict[str, Any] = json.loads(file.read_text())
        architecture, release = _names(document, file)
        return Manifest(
            path=path,
            architecture=architecture,
            release=release,
            dims=ModelDims(**document["dims"]),
            classes=tuple(ModelClass(item["name"], item["vocabulary"]) for item in document["classes"]),
            graphs={name: entry["sha256"] for name, entry in document["graphs"].items()},
            number=int(document.get("number", 1)),
            file=document.get("file", ONNX_FILE),
        )
    except FileNotFoundError as error:
        raise ConfigurationError(f"model repository: expected {file}, which does not exist") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"model repository: {file} can't be read: {error!r}") from error


def _names(document: dict[str, Any], file: Path) -> tuple[str, str]:
    """Architecture and release, for all formats."""
    if not isinstance(document, dict):
        raise TypeError(f"expected an object, found {type(document).__name__}")
    found = document.get("format", 0)
    if not isinstance(found, int) or found < 0:
        raise ValueError(f"format: expected a number from 0 to {FORMAT}, found {found!r}")
    if found > FORMAT:
        raise ConfigurationError(
            f"model repository: {file} has format {found}, this version of dualtrack reads up to format {FORMAT}"
        )
    if found == 0:
        preset: str = document["preset"]
        return RENAMED.get(preset, preset), document["version"]
    return document["architecture"], document["release"]


def verify(manifest: Manifest) -> None:
    """Compare every graph's file with the manifest.

    Raises:
        ConfigurationError: a file is missing or its sha256 differs.
    """
    for name in manifest.graphs:
        verify_graph(manifest, name)


def verify_graph(manifest: Manifest, name: str) -> None:
    """Compare one graph's file with the manifest.

    Raises:
        ConfigurationError: the file is missing or its sha256 differs.
    """
    path, wanted = manifest.graph_path(name), manifest.graphs[name]
    if not path.is_file():
        how = "; `dualtrack export engines` builds it" if manifest.file == ENGINE_FILE else ""
        raise ConfigurationError(f"model {name}: expected {path}, which does not exist{how}")
    try:
        with path.open("rb") as file:
            got = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigurationError(f"model {name}: expected a readable file, got {path}: {error.strerror}") from error
    if got != wanted:
        raise ConfigurationError(f"model {name}: expected sha256 {wanted[:16]}…, {path} has {got[:16]}…")

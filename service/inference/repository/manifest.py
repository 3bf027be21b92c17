"""The model repository: Triton's folder layout, with a manifest that says what the graphs are."""

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
"""Of the manifests that are written here. A manifest without a number is older, format 0, and is still read."""
RENAMED = {"paper": "resnext"}
"""Architectures that have another name in a manifest of format 0."""
ONNX_FILE, ENGINE_FILE = "model.onnx", "model.plan"
"""What a repository's files are called: graphs for onnxruntime, or engines that TensorRT built for one kind of GPU."""
SERVED_VERSIONS = 2
"""Of every model: the newest, and the one before it, which running jobs keep using after a swap."""
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
        architecture: of the networks: `lite`, `resnext`, or what an imported detector is called.
        release: name of this set of weights, such as `lite-3`; part of every cache key.
        dims: numbers of the specs.
        classes: of the class vector, in order.
        graphs: sha256 of each graph's file; empty for an engine that is still to be built.
        number: Triton's version number of the release: the folder of the files.
        file: what the files are called, `ONNX_FILE` or `ENGINE_FILE`.
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
        """Names these weights and no others: the release, and a digest of all files. Part of every cache key."""
        files = json.dumps(sorted(self.graphs.items()))
        return f"{self.release}-{hashlib.sha256(files.encode()).hexdigest()[:12]}"

    def graph_path(self, graph: str) -> Path:
        """The file of a graph."""
        return self.path / graph / str(self.number) / self.file


def display_names(classes: Sequence[ModelClass]) -> tuple[str, ...]:
    """One unique name per class; a name that two vocabularies have says which is meant."""
    names = Counter(item.name for item in classes)
    return tuple(item.name if names[item.name] == 1 else f"{item.name} ({item.vocabulary})" for item in classes)


def load_manifest(path: Path) -> Manifest:
    """Read `path`/manifest.json.

    Raises:
        ConfigurationError: it is missing, of a format that is not known yet, or not what it should be; the message
            names the file and the field.
    """
    return _load(path, MANIFEST)


def load_releases(path: Path) -> list[Manifest]:
    """The current release, then the earlier ones that are still in the repository, newest first.

    Raises:
        ConfigurationError: as `load_manifest`.
    """
    current = load_manifest(path)
    earlier = earlier_releases(path)
    kept = [release for release in earlier if all(release.graph_path(name).is_file() for name in release.graphs)]
    return [current, *kept]


def earlier_releases(path: Path) -> list[Manifest]:
    """Every release whose manifest was kept when another took its place, whole or not, newest first.

    Raises:
        ConfigurationError: as `load_manifest`.
    """
    found = (_load(path, file.name) for file in path.glob(earlier_manifest("*")))
    return sorted(found, key=lambda release: -release.number)


def earlier_manifest(number: object) -> str:
    """Name of the file that keeps a release's manifest once another has taken its place."""
    return f"manifest-{number}.json"


def manifest_entry(manifest: Manifest, graph: str) -> dict[str, Any]:
    """All that the manifest says of a graph: sha256, size, opset, how far it was from torch."""
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
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"model repository: {file} can't be read: {error!r}") from error


def _names(document: dict[str, Any], file: Path) -> tuple[str, str]:
    """Architecture and release, whichever format says them."""
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
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != wanted:
        raise ConfigurationError(f"model {name}: expected sha256 {wanted[:16]}…, {path} has {got[:16]}…")

"""Verifies a model repository against its manifests and the code's specs."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dualtrack.errors import ConfigurationError
from service.inference.onnx_runtime import signature
from service.inference.repository.manifest import (
    MANIFEST,
    ONNX_FILE,
    Manifest,
    earlier_manifest,
    earlier_releases,
    load_manifest,
    verify_graph,
)
from service.inference.repository.signature import compare_signature
from service.inference.repository.triton_parameters import check_parameters
from service.inference.specs import graph_specs

PARAMETER = re.compile(r'key:\s*"([^"]*)"\s*value:\s*{\s*string_value:\s*"([^"]*)"')


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """Result of one check.

    Attributes:
        number: of the release.
        release: its name; empty if no manifest has the number.
        name: of the graph or of the manifest file.
        problem: None if the check passed.
    """

    number: int
    release: str
    name: str
    problem: str | None


def verify_repository(path: Path) -> list[ModelCheck]:
    """Check every model of every release: sha256, tensors against the specs, parameters in config.pbtxt.

    Raises:
        ConfigurationError: a manifest can't be read.
    """
    current, earlier = load_manifest(path), earlier_releases(path)
    names = [MANIFEST, *(earlier_manifest(release.number) for release in earlier)]
    checks: list[ModelCheck] = []
    for file, manifest in zip(names, [current, *earlier], strict=True):
        checks.append(ModelCheck(manifest.number, manifest.release, file, _problem(partial(_whole, manifest))))
        for graph in manifest.graphs:
            problem = _problem(partial(_check_graph, manifest, graph))
            checks.append(ModelCheck(manifest.number, manifest.release, graph, problem))
    return [*checks, *_strays(path, [current, *earlier])]


def stray_folders(path: Path, releases: list[Manifest]) -> list[Path]:
    """Version folders that belong to no release, such as those left by a killed `publish`."""
    numbers = {str(release.number) for release in releases}
    graphs = sorted({graph for release in releases for graph in release.graphs})
    folders = (folder for graph in graphs for folder in sorted((path / graph).glob("*")))
    return [folder for folder in folders if folder.name.isdecimal() and folder.is_dir() and folder.name not in numbers]


def _strays(path: Path, releases: list[Manifest]) -> Iterator[ModelCheck]:
    for folder in stray_folders(path, releases):
        problem = f"{folder}: no manifest has this version number, but Triton may serve it"
        yield ModelCheck(int(folder.name), "", folder.parent.name, problem)


def _problem(check: Callable[[], None]) -> str | None:
    try:
        check()
    except ConfigurationError as error:
        return error.detail
    return None


def _whole(release: Manifest) -> None:
    """Check graphs and classes against the manifest's dimensions."""
    wanted, found = set(graph_specs(release.dims)), set(release.graphs)
    if wanted != found:
        raise ConfigurationError(f"manifest: expected the graphs {sorted(wanted)}, found {sorted(found)}")
    if len(release.classes) != release.dims.classes:
        raise ConfigurationError(f"manifest: expected {release.dims.classes} classes, found {len(release.classes)}")


def _check_graph(release: Manifest, graph: str) -> None:
    verify_graph(release, graph)
    spec = graph_specs(release.dims).get(graph)
    # only TensorRT can read an engine's tensors; those of Triton are compared at start-up
    if spec is not None and release.file == ONNX_FILE:
        compare_signature(spec, signature(f"model {graph}", release.graph_path(graph)))
    _check_config(release, graph)


def _check_config(release: Manifest, graph: str) -> None:
    file = release.path / graph / "config.pbtxt"
    if not file.is_file():
        raise ConfigurationError(f"model {graph}: expected {file}, which does not exist")
    parameters = dict(PARAMETER.findall(file.read_text()))
    check_parameters(release, graph, parameters, str(file))

"""The model repository: graphs, configurations, manifest and model cards."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from export.onnx.graphs import Graphs
from export.onnx.parity import Parity, compare
from export.onnx.to_onnx import export_graph
from export.repository.borrowed_trackers import BorrowedTrackers
from export.repository.classes import class_list
from export.repository.graph_entry import graph_entry
from export.repository.model_card import Card, model_card
from export.repository.triton_config import write_own_configs
from service.inference.repository.manifest import FORMAT, ONNX_FILE, ModelClass
from service.inference.specs import ModelDims, graph_specs


@dataclass(frozen=True)
class Release:
    """Description of a release.

    Attributes:
        architecture: `lite`, `resnext`, or the name of an imported detector.
        name: of the set of weights, such as `lite-3`.
        commit: source commit of the export.
        dims: dimensions of the architecture.
        card: content of the model cards.
        classes: of the class vector, in order; by default the architecture's.
    """

    architecture: str
    name: str
    commit: str
    dims: ModelDims
    card: Card
    classes: Sequence[ModelClass] = ()


def write_repository(
    folder: Path,
    graphs: Graphs,
    release: Release,
    clip: Path | None = None,
    trackers: BorrowedTrackers | None = None,
) -> list[Parity]:
    """Export all graphs, compare each with torch, and write manifest, configurations and cards.

    Everything is written to a temporary folder first, and moved into place only if every comparison is within its
    tolerance; each file is replaced atomically, the manifest last.

    Args:
        folder: the repository.
        graphs: module by name.
        release: description of the release.
        clip: a video for the comparison, in addition to random images.
        trackers: of another repository, if `graphs` has none.

    Returns:
        The comparisons; if one is not `ok`, `folder` is unchanged.
    """
    specs = graph_specs(release.dims)
    with tempfile.TemporaryDirectory() as name:
        fresh = Path(name)
        rows: list[Parity] = []
        entries: dict[str, dict[str, Any]] = {}
        if trackers is not None:
            entries, rows = trackers.write(fresh)
        for graph, module in graphs.items():
            path = fresh / graph / "1" / "model.onnx"
            export_graph(module, specs[graph], release.dims, path)
            found = compare(module, specs[graph], release.dims, path, clip)
            entries[graph] = graph_entry(path, found)
            rows += found
        if all(row.ok for row in rows):
            write_texts(fresh, entries, release)
            put_in_place(fresh, folder)
    return rows


def write_texts(folder: Path, entries: dict[str, dict[str, Any]], release: Release, file: str = ONNX_FILE) -> None:
    """Write manifest, configurations, and the model cards of graphs that have none yet.

    Args:
        folder: the repository.
        entries: of the manifest, by graph.
        release: description of the release.
        file: file name of the models in the repository.
    """
    for graph, entry in entries.items():
        card = folder / graph / "README.md"
        if not card.is_file():
            card.write_text(model_card(graph, release.architecture, release.name, entry, release.card))
    manifest = {
        "format": FORMAT,
        "architecture": release.architecture,
        "release": release.name,
        "commit": release.commit,
        "dims": asdict(release.dims),
        "classes": [asdict(item) for item in release.classes] or class_list(release.architecture),
        "graphs": entries,
    }
    if file != ONNX_FILE:
        manifest["file"] = file
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    write_own_configs(folder)


def put_in_place(fresh: Path, folder: Path) -> None:
    """Replace the old files by the new ones, the manifest last."""
    for path in sorted(fresh.rglob("*"), key=lambda path: path.name == "manifest.json"):
        if path.is_file():
            target = folder / path.relative_to(fresh)
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(target.name + ".part")
            shutil.copyfile(path, part)
            part.replace(target)

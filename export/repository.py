"""The model repository: graphs, configurations, manifest and model cards."""

import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from export.classes import class_list
from export.graphs import Graphs
from export.model_card import Card, model_card
from export.parity import Row, compare
from export.to_onnx import OPSET, export_graph
from export.triton_config import write_configs
from service.inference.specs import GraphSpec, ModelDims, graph_specs


@dataclass(frozen=True)
class Edition:
    """What a repository is an edition of.

    Attributes:
        preset: `lite` or `paper`.
        version: of the weights.
        commit: of the source that exported it.
        dims: numbers of the preset.
        card: what the model cards say.
    """

    preset: str
    version: str
    commit: str
    dims: ModelDims
    card: Card


def write_repository(folder: Path, graphs: Graphs, edition: Edition, clip: Path | None = None) -> list[Row]:
    """Export all graphs, compare each with torch, write manifest, configurations and cards.

    Everything is written to a temporary folder first and put in place only if every comparison is within its
    tolerance; each file is replaced at once, the manifest last.

    Args:
        folder: the repository.
        graphs: module by name.
        edition: names and numbers.
        clip: a video to compare on, besides random pictures.

    Returns:
        The comparisons; if one is not `ok`, `folder` is as it was.
    """
    specs = graph_specs(edition.dims)
    with tempfile.TemporaryDirectory() as name:
        fresh = Path(name)
        rows: list[Row] = []
        entries = {}
        for graph, module in graphs.items():
            path = fresh / graph / "1" / "model.onnx"
            export_graph(module, specs[graph], edition.dims, path)
            found = compare(module, specs[graph], edition.dims, path, clip)
            entries[graph] = _entry(path, found)
            rows += found
        if all(row.ok for row in rows):
            _write_texts(fresh, entries, edition, specs)
            _move(fresh, folder)
    return rows


def _entry(path: Path, rows: list[Row]) -> dict[str, Any]:
    """The manifest's entry of a graph."""
    worst = max(rows, key=lambda row: row.error / max(row.tolerance, 1e-12))
    data = path.read_bytes()
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "opset": OPSET,
        "worst_parity": {
            "output": worst.output,
            "case": worst.case,
            "error": worst.error,
            "tolerance": worst.tolerance,
        },
    }


def _write_texts(
    folder: Path, entries: dict[str, dict[str, Any]], edition: Edition, specs: dict[str, GraphSpec]
) -> None:
    for graph, entry in entries.items():
        text = model_card(graph, edition.preset, edition.version, entry, edition.card)
        (folder / graph / "README.md").write_text(text)
    manifest = {
        "preset": edition.preset,
        "version": edition.version,
        "commit": edition.commit,
        "dims": asdict(edition.dims),
        "classes": class_list(edition.preset),
        "graphs": entries,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    write_configs(folder, specs.values())


def _move(fresh: Path, folder: Path) -> None:
    """Put the new files in the place of the old ones, the manifest last."""
    for path in sorted(fresh.rglob("*"), key=lambda path: path.name == "manifest.json"):
        if path.is_file():
            target = folder / path.relative_to(fresh)
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(target.name + ".part")
            shutil.copyfile(path, part)
            part.replace(target)

"""The model repository: graphs, configurations, manifest and model cards."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from export.classes import class_list
from export.parity import Row, compare
from export.to_onnx import OPSET, export_graph
from export.triton_config import triton_config
from service.inference.specs import LITE, ModelDims, graph_specs


def write_repository(
    folder: Path, graphs: Mapping[str, nn.Module], *, version: str, card: dict[str, Any], dims: ModelDims = LITE
) -> list[Row]:
    """Export all graphs into `folder`, compare each with torch, write manifest and cards; the comparisons.

    Args:
        folder: the repository.
        graphs: module by name.
        version: of the weights.
        card: what the model cards say: `data`, `recipe`, `commit`, `figures` by graph.
        dims: numbers of the preset.
    """
    specs = graph_specs(dims)
    rows: list[Row] = []
    entries = {}
    for name, module in graphs.items():
        path = folder / name / "1" / "model.onnx"
        export_graph(module, specs[name], dims, path)
        (folder / name / "config.pbtxt").write_text(triton_config(specs[name]))
        found = compare(module, specs[name], dims, path)
        worst = max(found, key=lambda row: row.error / max(row.tolerance, 1e-12))
        data = path.read_bytes()
        entries[name] = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "opset": OPSET,
            "worst_parity": {"output": worst.output, "case": worst.case, "error": worst.error},
        }
        (folder / name / "README.md").write_text(model_card(name, entries[name], version, card))
        rows += found
    manifest = {
        "preset": "lite",
        "version": version,
        "commit": card.get("commit", ""),
        "dims": asdict(dims),
        "classes": class_list(),
        "graphs": entries,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return rows


def model_card(name: str, entry: dict[str, Any], version: str, card: dict[str, Any]) -> str:
    """Model card of one graph, Markdown."""
    figures = card.get("figures", {}).get(name, [])
    lines = [
        f"# {name}, lite {version}",
        "",
        card.get("what", {}).get(name, ""),
        "",
        f"- Graph: ONNX opset {entry['opset']}, {entry['bytes'] / 1e6:.1f} MB, sha256 `{entry['sha256']}`",
        f"- Trained from: {card.get('start', '')}",
        f"- Data: {card.get('data', '')}",
        f"- Recipe: {card.get('recipe', {}).get(name, card.get('recipe_all', ''))}",
        f"- Commit of the training code: {card.get('commit', '')}",
        f"- Torch against onnxruntime, worst output: `{entry['worst_parity']['output']}` "
        f"{entry['worst_parity']['error']:.2e} ({entry['worst_parity']['case']})",
        "",
        "## Measured",
        *([f"- {line}" for line in figures] or ["- see `evaluation/RESULTS.md`"]),
        "",
        "## Classes",
        card.get("classes", ""),
        "",
        "## Limits and licence",
        card.get("limits", ""),
        "",
    ]
    return "\n".join(lines)

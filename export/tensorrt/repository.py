"""The TensorRT repository: the ONNX source and, once built, the engine of every graph; manifest, configurations."""

import tempfile
from pathlib import Path
from typing import Any

import onnx

from dualtrack.errors import ContractViolation
from export.models.half import Rounded
from export.onnx.graphs import Lite, Resnext
from export.onnx.parity import HALF_TOLERANCES, Parity, compare, compare_modules
from export.onnx.to_onnx import export_graph
from export.repository.build import Release, put_in_place, write_texts
from export.repository.graph_entry import graph_entry
from export.tensorrt.engines import source_path
from export.tensorrt.form import cast_bytes_first, tensorrt_graph
from export.tensorrt.operators import problems
from service.inference.repository.manifest import ENGINE_FILE
from service.inference.specs import graph_specs


def write_tensorrt_repository(
    folder: Path, network: Lite | Resnext, release: Release, clip: Path | None = None
) -> list[Parity]:
    """Export all graphs for TensorRT, check their operators, and compare each with its CPU version.

    Each graph is compared twice: as a file, with onnxruntime, and as a module that rounds to half precision wherever an
    engine may (onnxruntime on a CPU omits some roundings). As in `write_repository`, nothing is moved into place unless
    every comparison is within its tolerance.

    Args:
        folder: the repository.
        network: the weights.
        release: description of the release.
        clip: a video for the comparison, in addition to random images.

    Returns:
        The comparisons; if one is not `ok`, `folder` is unchanged.

    Raises:
        ContractViolation: TensorRT does not support a graph; names graph, node, expected and found.
    """
    specs, dims = graph_specs(release.dims), release.dims
    with tempfile.TemporaryDirectory() as name:
        fresh = Path(name)
        rows: list[Parity] = []
        entries: dict[str, dict[str, Any]] = {}
        for graph, module in network.graphs().items():
            path = source_path(fresh, graph)
            export_graph(tensorrt_graph(module), specs[graph], dims, path)
            _prepare(graph, path)
            found = compare(module, specs[graph], dims, path, clip, HALF_TOLERANCES)
            rounded = tensorrt_graph(module, Rounded)
            found += compare_modules(module, rounded, specs[graph], dims, clip, HALF_TOLERANCES)
            entry = graph_entry(path, found)
            # Triton serves the engine, which does not exist yet
            entries[graph] = {**entry, "sha256": "", "source_sha256": entry["sha256"]}
            rows += found
        if all(row.ok for row in rows):
            write_texts(fresh, entries, release, ENGINE_FILE)
            put_in_place(fresh, folder)
    return rows


def _prepare(graph: str, path: Path) -> None:
    model = onnx.load(path)
    cast_bytes_first(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    found = problems(path)
    if found:
        raise ContractViolation(f"{graph}: TensorRT does not support this graph: " + "; ".join(map(str, found)))

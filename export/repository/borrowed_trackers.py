"""The trackers of one repository, copied into another one with a detector that shares no features with them."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnx.utils import Extractor

from export.onnx.parity import TOLERANCES, Parity, difference
from export.onnx.sample_inputs import frames
from export.onnx.to_onnx import check_graph
from export.repository.graph_entry import graph_entry
from service.inference.repository.manifest import Manifest, load_manifest, manifest_entry, verify
from service.inference.specs import ModelDims, graph_specs

FEATURES = "pixel_features"
SIZES_HW = ((160, 256), (192, 128))


class BorrowedTrackers:
    """The track graphs of a repository, and a separate graph for the features they need.

    If the features come from `mask_rcnn`, the separate graph is that one, truncated after the features.

    Args:
        repository: folder of the repository.

    Raises:
        ConfigurationError: the repository is incomplete.
    """

    def __init__(self, repository: Path) -> None:
        self._source: Manifest = load_manifest(repository)
        verify(self._source)

    @property
    def name(self) -> str:
        """Name of their release."""
        return self._source.release

    def dims(self, classes: int) -> ModelDims:
        """Dimensions of a repository with these trackers and a detector of `classes` classes."""
        return replace(self._source.dims, classes=classes, shared_trunk=False)

    def write(self, folder: Path) -> tuple[dict[str, dict[str, Any]], list[Parity]]:
        """Write the graphs and their model cards into `folder`; returns manifest entries and comparisons."""
        entries = {}
        for graph in self._source.graphs:
            if graph == "mask_rcnn":
                continue
            entries[graph] = manifest_entry(self._source, graph)
            _copy(self._source.graph_path(graph), folder / graph / "1" / "model.onnx")
            if (card := self._source.path / graph / "README.md").is_file():
                _copy(card, folder / graph / "README.md")
        rows: list[Parity] = []
        if self._source.dims.shared_trunk:
            path = folder / FEATURES / "1" / "model.onnx"
            self._cut(path)
            rows = self._compare(path)
            entries[FEATURES] = graph_entry(path, rows)
            (folder / FEATURES / "README.md").write_text(self._features_card(entries[FEATURES]))
        return entries, rows

    def _features_card(self, entry: dict[str, Any]) -> str:
        """Facts on the file, followed by the card of the graph it was extracted from."""
        facts = f"ONNX opset {entry['opset']}, {entry['bytes'] / 1e6:.2f} MB, sha256 `{entry['sha256']}`"
        text = (
            f"# {FEATURES} ({self.name}, architecture {self._source.architecture})\n\n"
            f"The features f4 and f8 of `mask_rcnn` of {self.name}: that graph, truncated after the features, so that "
            f"the trackers can be used with another detector.\n\n## File\n\n- {facts}\n"
        )
        card = self._source.path / "mask_rcnn" / "README.md"
        return text + (f"\n---\n\nThe card of that graph:\n\n{card.read_text()}" if card.is_file() else "")

    def _cut(self, path: Path) -> None:
        spec = graph_specs(self.dims(1))[FEATURES]
        whole = onnx.load(self._source.graph_path("mask_rcnn"))
        inputs = [tensor.name for tensor in whole.graph.input]
        model = Extractor(whole).extract_model(inputs, [tensor.name for tensor in spec.outputs])
        _stand_in(model.graph, [name for name in inputs if name not in {tensor.name for tensor in spec.inputs}])
        del model.graph.value_info[:]
        onnx.checker.check_model(model)
        check_graph(model, spec)
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, path)

    def _compare(self, path: Path) -> list[Parity]:
        """Compare the truncated graph with the whole one."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        whole, cut = (
            onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
            for file in (self._source.graph_path("mask_rcnn"), path)
        )
        rows = []
        for seed, size in enumerate(SIZES_HW, start=1):
            inputs = {name: value.numpy() for name, value in frames(2, *size, seed=seed).items()}
            # skips the masks, as only the features matter
            inputs |= {"th_det": np.full((2, 1), 2, np.float32), "max_per_frame": np.zeros((2, 1), np.int32)}
            given = {name: inputs[name] for name in ("frames", "hw")}
            names, case = ("f4", "f8"), f"cut against whole at {size[0]}x{size[1]}"
            for name, wanted, got in zip(names, whole.run(names, inputs), cut.run(names, given), strict=True):
                rows.append(Parity(FEATURES, case, name, difference(name, wanted, got), TOLERANCES[name]))
        return rows


def _stand_in(graph: onnx.GraphProto, names: Sequence[str]) -> None:
    """Replace inputs (B, 1) of which only the shape is used by the first column of `hw`.

    The exporter may read the batch's size from any input.
    """
    edges = (("start", [0]), ("end", [1]), ("axis", [1]))
    graph.initializer.extend(numpy_helper.from_array(np.array(value), f"first_column_{key}") for key, value in edges)
    nodes = [helper.make_node("Slice", ["hw", *(f"first_column_{key}" for key, _ in edges)], ["first_column"])]
    for tensor in [tensor for tensor in graph.input if tensor.name in names]:
        kind = tensor.type.tensor_type.elem_type
        nodes.append(helper.make_node("Cast", ["first_column"], [tensor.name], to=kind))
        graph.input.remove(tensor)
    for node in reversed(nodes):
        graph.node.insert(0, node)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)

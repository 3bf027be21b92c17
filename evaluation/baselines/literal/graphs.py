"""Parts of the repository's graphs, so that the literal implementation uses the same weights and runtime.

The exported graphs process windows, but their layers work at any size: the subgraph between two tensors is extracted
and run on whole frames.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from dualtrack.errors import ConfigurationError
from service.inference.repository.manifest import Manifest
from service.structures.arrays import F32, U8


@dataclass(frozen=True)
class LiteralGraphs:
    """The four parts.

    Attributes:
        trunk: frames (1, H, W, 3) uint8, hw -> f4, f8.
        embed: features (1, C4, h, w) -> pixel embedding (1, E, h, w).
        head: features and matching maps (1, C4 + 10, h, w), means of embeddings (1, 4 E) -> probability (1, h, w).
        bias: CFBI's learned bias of the distance to the object and to the rest, (2,).
    """

    trunk: onnxruntime.InferenceSession
    embed: onnxruntime.InferenceSession
    head: onnxruntime.InferenceSession
    bias: F32

    def features(self, frame: U8, hw: tuple[int, int]) -> tuple[F32, F32]:
        """A padded frame (H, W, 3) and its unpadded size -> f4 (C4, H/4, W/4) and f8 (C8, H/8, W/8)."""
        wanted = {"th_det": np.ones((1, 1), np.float32), "max_per_frame": np.zeros((1, 1), np.int32)}
        f4, f8 = self.trunk.run(["f4", "f8"], {"frames": frame[None], "hw": np.array([hw], np.int32), **wanted})
        return f4[0], f8[0]

    def embedding(self, f4: F32) -> F32:
        """f4 (C4, h, w) -> (E, h, w)."""
        found: F32 = self.embed.run(None, {"features": f4[None]})[0][0]
        return found

    def probability(self, f4: F32, maps: F32, means: F32) -> F32:
        """f4 (C4, h, w), maps (10, h, w) and means (4 E,) -> probability of the object (h, w)."""
        features = np.concatenate([f4, maps])[None].astype(np.float32)
        found: F32 = self.head.run(None, {"features": features, "means": means[None].astype(np.float32)})[0][0]
        return found


def open_graphs(manifest: Manifest, threads: int) -> LiteralGraphs:
    """Extract the parts from a repository.

    Args:
        manifest: of a repository whose detector and trackers share a trunk.
        threads: of each session.

    Raises:
        ConfigurationError: a graph lacks an expected layer.
    """
    detector = onnx.load(manifest.graph_path("mask_rcnn"))
    pixel = onnx.load(manifest.graph_path("pixel_embedding"))
    whole = {item.name: item for item in detector.graph.input}
    embed, enter, gate = (_layer(pixel, f"{name}.weight") for name in ("embed", "enter", "attention.gate"))
    return LiteralGraphs(
        trunk=_session(cut(detector, list(whole.values()), ["f4", "f8"]), threads),
        embed=_session(_between(pixel, {embed.input[0]: "features"}, embed.output[0]), threads),
        head=_session(_between(pixel, {enter.input[0]: "features", gate.input[0]: "means"}, "probability"), threads),
        bias=_bias(pixel),
    )


def cut(model: onnx.ModelProto, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[str]) -> onnx.ModelProto:
    """The subgraph of a model from `inputs` to `outputs`.

    Raises:
        ConfigurationError: an output depends on other inputs, too.
    """
    given = {item.name for item in inputs}
    makers = {name: node for node in model.graph.node for name in node.output}
    weights = {item.name: item for item in model.graph.initializer}
    needed = set(_needed(outputs, given, makers, weights))
    nodes = [node for node in model.graph.node if needed & set(node.output)]
    graph = helper.make_graph(
        nodes,
        "part",
        list(inputs),
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [weights[name] for name in sorted(needed & set(weights))],
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _needed(
    outputs: Sequence[str],
    given: set[str],
    makers: Mapping[str, onnx.NodeProto],
    weights: Mapping[str, onnx.TensorProto],
) -> Iterator[str]:
    """Every tensor that the outputs depend on, each once."""
    seen, waiting = set(given), list(outputs)
    while waiting:
        name = waiting.pop()
        if name in seen or not name:
            continue
        seen.add(name)
        yield name
        if name in makers:
            waiting += makers[name].input
        elif name not in weights:
            raise ConfigurationError(f"literal: {list(outputs)} depend on {name}, which is neither given nor computed")


def _between(model: onnx.ModelProto, first: Mapping[str, str], last: str) -> onnx.ModelProto:
    """The subgraph from some tensors, mapped to the names of its inputs, to the tensor `last`."""
    part = cut(model, [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in first], [last])
    for node in part.graph.node:
        node.input[:] = [first.get(name, name) for name in node.input]
    for given in part.graph.input:
        given.name = first[given.name]
    return part


def _layer(model: onnx.ModelProto, weight: str) -> onnx.NodeProto:
    """The layer with this weight."""
    nodes: list[onnx.NodeProto] = [node for node in model.graph.node if weight in node.input]
    if nodes:
        return nodes[0]
    raise ConfigurationError(f"literal: expected a layer with {weight} in {model.graph.name}, found none")


def _bias(model: onnx.ModelProto) -> F32:
    """The only constant of shape (1, 2, 1, 1)."""
    found = [item for item in model.graph.initializer if tuple(item.dims) == (1, 2, 1, 1)]
    if len(found) != 1:
        raise ConfigurationError(f"literal: expected one constant of shape (1, 2, 1, 1), found {len(found)}")
    bias: F32 = numpy_helper.to_array(found[0]).reshape(2).astype(np.float32)
    return bias


def _session(model: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

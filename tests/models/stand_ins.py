"""Nodes that TensorRT for RTX has on no machine without a GPU, replaced by others of the same types and shapes.

RoIAlign is a plugin that asks for a device as soon as it is made; of NonMaxSuppression the builder has no kernel there
(a graph of that node alone is not built either). Everything around them is parsed and built as it is.
"""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import helper, numpy_helper


def without_device_nodes(model: onnx.ModelProto, *, kinds: frozenset[str]) -> onnx.ModelProto:
    """A copy of `model` with stand-ins for all nodes of these kinds."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    nodes = list(changed.graph.node)
    del changed.graph.node[:]
    for number, node in enumerate(nodes):
        if node.op_type not in kinds:
            changed.graph.node.append(node)
            continue
        make = {"RoiAlign": _roi_align, "NonMaxSuppression": _nms}[node.op_type]
        changed.graph.node.extend(make(node, f"stand_in_{number}", changed.graph))
    onnx.checker.check_model(changed)
    return changed


def _roi_align(node: onnx.NodeProto, name: str, graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """(B, C, H, W), (R, 4), (R,) -> (R, C, h, w): means, added up and repeated."""
    sides = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    constants = {
        "maps": [0, 2, 3],
        "columns": [1],
        "rows": [-1, 1, 1, 1],
        "grid": [1, 1, sides["output_height"], sides["output_width"]],
    }
    for key, value in constants.items():
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), f"{name}_{key}"))
    features, rois, _ = node.input
    yield helper.make_node("ReduceMean", [features, f"{name}_maps"], [f"{name}_x"])
    yield helper.make_node("ReduceMean", [rois, f"{name}_columns"], [f"{name}_r"])
    yield helper.make_node("Reshape", [f"{name}_r", f"{name}_rows"], [f"{name}_q"])
    yield helper.make_node("Add", [f"{name}_x", f"{name}_q"], [f"{name}_y"])
    yield helper.make_node("Expand", [f"{name}_y", f"{name}_grid"], list(node.output))


def _nms(node: onnx.NodeProto, name: str, graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Always the same five boxes."""
    graph.initializer.append(numpy_helper.from_array(np.zeros((5, 3), np.int64), f"{name}_kept"))
    yield helper.make_node("Identity", [f"{name}_kept"], list(node.output))

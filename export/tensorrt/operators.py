"""Checks that TensorRT supports a graph: operators, types and restrictions, by the table next to this module."""

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

TABLE = Path(__file__).with_name("operators.toml")
RESIZE_MODES = frozenset({"half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn", "asymmetric", "align_corners"})
NEAREST_MODES = frozenset({"floor", "ceil", "round_prefer_floor", "round_prefer_ceil"})


@dataclass(frozen=True, slots=True)
class OperatorProblem:
    """Something TensorRT does not support: `node` (name and operator), and `what`: found and expected."""

    node: str
    what: str

    def __str__(self) -> str:
        return f"{self.node}: {self.what}"


@dataclass(frozen=True)
class _Graph:
    """A model with lookup of attributes, types, constants and shapes by name."""

    model: onnx.ModelProto
    types: dict[str, str]
    shapes: dict[str, list[int | None]]
    constants: dict[str, NDArray[Any]]

    def constant(self, node: onnx.NodeProto, index: int) -> NDArray[Any] | None:
        """The value of an input, if it is constant."""
        return self.constants.get(node.input[index]) if index < len(node.input) else None


@cache
def table() -> dict[str, Any]:
    """The table of supported operators."""
    return tomllib.loads(TABLE.read_text())


def problems(path: Path) -> list[OperatorProblem]:
    """Everything in an ONNX file that TensorRT does not support; empty if it can be built."""
    return model_problems(onnx.load(path))


def model_problems(model: onnx.ModelProto) -> list[OperatorProblem]:
    """As `problems`, for a model in memory."""
    graph = _read(model)
    opsets = {item.domain: item.version for item in model.opset_import}
    rules = table()
    found = []
    if not rules["first_opset"] <= opsets.get("", 0) <= rules["last_opset"]:
        wanted = f"{rules['first_opset']} to {rules['last_opset']}"
        found.append(OperatorProblem("model", f"expected an opset of {wanted}, got {opsets.get('', 'none')}"))
    for node in model.graph.node:
        found += [OperatorProblem(f"{node.name} ({node.op_type})", what) for what in _of_node(node, graph)]
    return found


def _read(model: onnx.ModelProto) -> _Graph:
    whole = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True).graph
    constants = {item.name: numpy_helper.to_array(item) for item in whole.initializer}
    for node in whole.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    types = {name: _type_name(helper.np_dtype_to_tensor_dtype(value.dtype)) for name, value in constants.items()}
    shapes: dict[str, list[int | None]] = {name: list(value.shape) for name, value in constants.items()}
    for value in (*whole.input, *whole.output, *whole.value_info):
        kind = value.type.tensor_type
        types[value.name] = _type_name(kind.elem_type)
        shapes[value.name] = [axis.dim_value if axis.HasField("dim_value") else None for axis in kind.shape.dim]
    return _Graph(model, types, shapes, constants)


def _type_name(number: int) -> str:
    return str(onnx.TensorProto.DataType.Name(number))


def _of_node(node: onnx.NodeProto, graph: _Graph) -> Iterator[str]:
    rules = table()
    rule = rules["operators"].get(node.op_type)
    if node.domain or rule is None:
        yield f"not an operator that graphs for TensorRT may use ({rules['source']})"
        return
    allowed = rules["types"][rule["types"]]
    for index in rule.get("data", range(len(node.input))):
        kind = graph.types.get(node.input[index], "unknown") if index < len(node.input) and node.input[index] else None
        if kind is not None and kind not in allowed:
            yield f"expected {' or '.join(allowed)} as input {index}, got {kind}"
    check = CHECKS.get(node.op_type)
    if check is not None:
        yield from check(node, graph)


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    value = next((helper.get_attribute_value(item) for item in node.attribute if item.name == name), default)
    return value.decode() if isinstance(value, bytes) else value


def _cast(node: onnx.NodeProto, graph: _Graph) -> Iterator[str]:
    inputs = {value.name for value in graph.model.graph.input}
    if graph.types.get(node.input[0]) == "UINT8" and node.input[0] not in inputs:
        yield "expected UINT8 to come from an input of the network, got one that was computed"
    if _type_name(_attribute(node, "to", 0)) not in table()["types"]["any"]:
        yield f"expected a type that TensorRT computes with, got {_type_name(_attribute(node, 'to', 0))}"


def _constant_axes(node: onnx.NodeProto, graph: _Graph) -> Iterator[str]:
    if len(node.input) > 1 and node.input[1] and graph.constant(node, 1) is None:
        yield "expected constant axes, got computed ones"


def _pool(node: onnx.NodeProto, _: _Graph) -> Iterator[str]:
    if len(_attribute(node, "kernel_shape", [])) not in (2, 3) or set(_attribute(node, "dilations", [1])) != {1}:
        yield "expected 2D or 3D pooling without dilations"
    if len(node.output) > 1:
        yield "expected no indices"


def _constant(node: onnx.NodeProto, _: _Graph) -> Iterator[str]:
    name = node.attribute[0].name
    if name in ("sparse_value", "value_string", "value_strings"):
        yield f"expected numbers, got {name}"


def _nms(node: onnx.NodeProto, graph: _Graph) -> Iterator[str]:
    most = table()["most_nms_boxes"]
    boxes = graph.shapes.get(node.input[0], [])
    if len(boxes) != 3 or boxes[1] is None or boxes[1] > most:
        yield f"expected at most {most} boxes per image, got a shape of {boxes}"
    for index, name in ((2, "max_output_boxes_per_class"), (3, "iou_threshold"), (4, "score_threshold")):
        if graph.constant(node, index) is None:
            yield f"expected a constant {name}, got a computed one or none"


def _resize(node: onnx.NodeProto, _: _Graph) -> Iterator[str]:
    mode, nearest = _attribute(node, "mode", "nearest"), _attribute(node, "nearest_mode", "round_prefer_floor")
    where = _attribute(node, "coordinate_transformation_mode", "half_pixel")
    if mode not in ("nearest", "linear") or (mode == "nearest" and nearest not in NEAREST_MODES):
        yield f"expected nearest or linear, got {mode} {nearest}"
    if where not in RESIZE_MODES:
        yield f"expected one of {sorted(RESIZE_MODES)}, got {where}"
    if _attribute(node, "antialias", 0) or _attribute(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
        yield "expected no antialiasing and a stretched aspect ratio"


def _roi_align(node: onnx.NodeProto, _: _Graph) -> Iterator[str]:
    if (mode := _attribute(node, "mode", "avg")) not in ("avg", "max"):
        yield f"expected avg or max, got {mode}"


def _scatter(node: onnx.NodeProto, _: _Graph) -> Iterator[str]:
    if (reduction := _attribute(node, "reduction", "none")) != "none":
        yield f"expected no reduction, got {reduction}"


def _top_k(node: onnx.NodeProto, graph: _Graph) -> Iterator[str]:
    most, number = table()["most_top_k"], graph.constant(node, 1)
    if number is None:
        yield "expected a constant K, got a computed one"
    elif int(np.max(number)) > most:
        yield f"expected K of at most {most}, got {int(np.max(number))}"
    if not _attribute(node, "sorted", 1):
        yield "expected sorted = 1, got 0"


CHECKS: dict[str, Callable[[onnx.NodeProto, _Graph], Iterator[str]]] = {
    "AveragePool": _pool,
    "Cast": _cast,
    "Constant": _constant,
    "MaxPool": _pool,
    "NonMaxSuppression": _nms,
    "ReduceMax": _constant_axes,
    "ReduceMean": _constant_axes,
    "ReduceMin": _constant_axes,
    "ReduceSum": _constant_axes,
    "Resize": _resize,
    "RoiAlign": _roi_align,
    "ScatterND": _scatter,
    "Squeeze": _constant_axes,
    "TopK": _top_k,
    "Unsqueeze": _constant_axes,
}
"""Checks in addition to operator and types."""

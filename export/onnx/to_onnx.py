"""Torch module → ONNX file, with the dynamo exporter, and names and dynamic axes from the specs."""

import logging
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn
from torch.export import Dim

from dualtrack.errors import ContractViolation
from export.models.batched_nms import translations
from export.onnx.sample_inputs import Inputs, frames, tracks
from service.inference.specs import GraphSpec, ModelDims, TensorSpec

OPSET = 18
ELEMENT_TYPES = {"uint8": 2, "float32": 1, "int32": 6, "int64": 7}


def trace_inputs(spec: GraphSpec, dims: ModelDims) -> Inputs:
    """Inputs for tracing a graph; every dynamic axis has a different size, so that none are unified."""
    if spec.inputs[0].name == "frames":
        return frames(2, 128, 192)
    return tracks(spec.name, dims, 3, 2, (128, 192))


def export_graph(module: nn.Module, spec: GraphSpec, dims: ModelDims, path: Path) -> None:
    """Write `path` and check the written graph's tensors against the spec.

    Raises:
        ContractViolation: inputs or outputs differ from the spec.
    """
    inputs = trace_inputs(spec, dims)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            module,
            tuple(inputs[tensor.name] for tensor in spec.inputs),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=tuple(_dynamic(tensor) for tensor in spec.inputs),
            input_names=[tensor.name for tensor in spec.inputs],
            output_names=[tensor.name for tensor in spec.outputs],
            custom_translation_table=translations(),
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ContractViolation(f"{spec.name}: the exporter returned no program")
    model = program.model_proto
    _strip(model)
    onnx.checker.check_model(model)
    check_graph(model, spec)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


def _strip(model: onnx.ModelProto) -> None:
    """Drop the exporter's debugging information: stack traces contain paths of the exporting machine."""
    del model.metadata_props[:]
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    model.graph.doc_string = ""
    for item in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""


def check_graph(model: onnx.ModelProto, spec: GraphSpec) -> None:
    """Compare inputs and outputs (names, dtypes, fixed and dynamic axes) with the spec.

    Raises:
        ContractViolation: they differ.
    """
    sides = (("inputs", model.graph.input, spec.inputs), ("outputs", model.graph.output, spec.outputs))
    for kind, values, tensors in sides:
        names, wanted = [value.name for value in values], [tensor.name for tensor in tensors]
        if names != wanted:
            raise ContractViolation(f"{spec.name}: expected {kind} {wanted}, the graph has {names}")
        for value, tensor in zip(values, tensors, strict=True):
            _check_value(spec.name, value, tensor)


def _check_value(graph: str, value: onnx.ValueInfoProto, tensor: TensorSpec) -> None:
    kind = value.type.tensor_type
    shape = [axis.dim_value if axis.HasField("dim_value") else None for axis in kind.shape.dim]
    wanted = [None if isinstance(axis, str) else axis for axis in tensor.shape]
    # an output's size may be unknown to the exporter, but a dynamic axis must not be fixed
    fits = len(shape) == len(wanted) and all(got in (None, want) for got, want in zip(shape, wanted, strict=True))
    if kind.elem_type != ELEMENT_TYPES[tensor.dtype] or not fits:
        raise ContractViolation(
            f"{graph}.{tensor.name}: expected {tensor.dtype}{list(tensor.shape)}, "
            f"got element type {kind.elem_type}, shape {shape}"
        )


def _dynamic(tensor: TensorSpec) -> dict[int, object]:
    """The dynamic axes of an input for torch.export; canvases are multiples of 32."""
    axes: dict[int, object] = {}
    for index, symbol in enumerate(tensor.shape):
        if symbol in ("H", "W"):
            axes[index] = 32 * Dim(symbol.lower(), min=2, max=128)
        elif symbol in ("h4", "w4", "h8", "w8"):
            axes[index] = Dim(symbol, min=4, max=1024)
        elif symbol == "N":
            axes[index] = Dim("N", min=0, max=512)
        elif isinstance(symbol, str):
            axes[index] = Dim(symbol, min=1, max=64)
    return axes

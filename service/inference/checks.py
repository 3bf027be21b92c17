"""What every client does around a graph: check what goes in and out, and answer for no tracks itself."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from service.errors import ContractViolation
from service.inference.client import Tensors
from service.inference.specs import GraphSpec, TensorSpec


def check_inputs(spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]]) -> None:
    """Raise ContractViolation unless the inputs are exactly those of the spec."""
    _check(spec.name, spec.inputs, inputs)


def check_outputs(spec: GraphSpec, outputs: Mapping[str, NDArray[np.generic]]) -> None:
    """Raise ContractViolation unless the outputs are exactly those of the spec."""
    _check(spec.name, spec.outputs, outputs)


def empty_outputs(spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]]) -> Tensors | None:
    """Outputs of a call without tracks (N = 0), which no server need be asked for; None if there are tracks."""
    if not any("N" in tensor.shape for tensor in spec.inputs) or len(inputs["frame_index"]):
        return None
    sizes: list[tuple[TensorSpec, list[int]]] = [
        (tensor, [0 if axis == "N" else int(axis) for axis in tensor.shape]) for tensor in spec.outputs
    ]
    return {tensor.name: np.zeros(shape, tensor.dtype) for tensor, shape in sizes}


def _check(graph: str, specs: tuple[TensorSpec, ...], tensors: Mapping[str, NDArray[np.generic]]) -> None:
    wanted = {spec.name for spec in specs}
    if wanted != set(tensors):
        raise ContractViolation(f"{graph}: expected tensors {sorted(wanted)}, got {sorted(tensors)}")
    for spec in specs:
        spec.check(tensors[spec.name], graph)

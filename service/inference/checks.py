"""Checks of inputs and outputs, common to all clients, and the outputs of calls without tracks."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dualtrack.errors import ContractViolation
from service.inference.client import Tensors
from service.inference.specs import GraphSpec, TensorSpec

Arrays = Mapping[str, NDArray[np.generic]]
Sizes = dict[str, int]
"""Sizes of the dynamic axes of one call, by symbol."""


def check_inputs(spec: GraphSpec, inputs: Arrays) -> None:
    """Raise ContractViolation unless the inputs are exactly those of the spec, with consistent sizes."""
    sizes = _check(spec.name, spec.inputs, inputs, {})
    if spec.max_batch_size and not 1 <= sizes["B"] <= spec.max_batch_size:
        raise ContractViolation(f"{spec.name}: expected 1 to {spec.max_batch_size} images, got {sizes['B']}")
    if "frame_index" in inputs:
        _check_frame_index(spec.name, inputs["frame_index"], sizes["F"])


def check_outputs(spec: GraphSpec, outputs: Arrays, inputs: Arrays) -> None:
    """Raise ContractViolation unless the outputs are those of the spec, match the (checked) inputs and are finite.

    A NaN would propagate to all later frames of a track and empty its mask, without any error.
    """
    _check(spec.name, spec.outputs, outputs, _check(spec.name, spec.inputs, inputs, {}))
    for name, array in outputs.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            wrong = int(np.count_nonzero(~np.isfinite(array)))
            raise ContractViolation(
                f"{spec.name}.{name}: expected finite numbers, got NaN or infinity in {wrong} of {array.size} values"
            )


def empty_outputs(spec: GraphSpec, inputs: Arrays) -> Tensors | None:
    """Outputs of a call without tracks (N = 0), which needs no server; None if there are tracks."""
    if not any("N" in tensor.shape for tensor in spec.inputs) or len(inputs["frame_index"]):
        return None
    shapes = output_shapes(spec, inputs)
    return {tensor.name: np.zeros(shapes[tensor.name], tensor.dtype) for tensor in spec.outputs}


def output_shapes(spec: GraphSpec, inputs: Arrays) -> dict[str, tuple[int, ...]]:
    """Shape of every output of a call, determined by the (checked) inputs."""
    sizes = _check(spec.name, spec.inputs, inputs, {})
    sizes |= {f"{axis}/{stride}": sizes[axis] // stride for axis in ("H", "W") if axis in sizes for stride in (4, 8)}
    return {
        tensor.name: tuple(sizes[axis] if isinstance(axis, str) else axis for axis in tensor.shape)
        for tensor in spec.outputs
    }


def _check(graph: str, specs: tuple[TensorSpec, ...], tensors: Arrays, sizes: Sizes) -> Sizes:
    """Check every tensor; a symbol must have the same size throughout the call. `sizes` has the known ones."""
    wanted = {spec.name for spec in specs}
    if wanted != set(tensors):
        raise ContractViolation(f"{graph}: expected tensors {sorted(wanted)}, got {sorted(tensors)}")
    for spec in specs:
        array = tensors[spec.name]
        spec.check(array, graph)
        for axis, size in zip(spec.shape, array.shape, strict=True):
            if isinstance(axis, str) and sizes.setdefault(axis, size) != size:
                raise ContractViolation(f"{graph}.{spec.name}: expected {axis} = {sizes[axis]}, got {size}")
    return sizes


def _check_frame_index(graph: str, index: NDArray[np.generic], frames: int) -> None:
    """Check the range, as providers differ: an error on one, undefined values on another, and all accept -1."""
    wrong = [number for number in index.tolist() if not 0 <= number < frames]
    if wrong:
        raise ContractViolation(f"{graph}.frame_index: expected 0 to {frames - 1}, got {wrong}")

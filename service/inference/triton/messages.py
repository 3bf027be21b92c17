"""The request of one call, and the tensors of its response."""

from collections.abc import Collection, Mapping

import numpy as np
import tritonclient.grpc.aio as triton
from numpy.typing import NDArray

from dualtrack.errors import ContractViolation
from service.inference.client import Tensors
from service.inference.specs import GraphSpec, TensorSpec
from service.inference.triton.shared_call import Layout
from service.inference.triton.shared_memory import Region

TRITON_DTYPES = {"uint8": "UINT8", "int32": "INT32", "int64": "INT64", "float32": "FP32"}


def _request_input(tensor: TensorSpec, array: NDArray[np.generic]) -> triton.InferInput:
    entry = triton.InferInput(tensor.name, list(array.shape), TRITON_DTYPES[tensor.dtype])
    entry.set_data_from_numpy(np.ascontiguousarray(array))
    return entry


def request_of(
    spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]], shared: tuple[Region, Layout] | None
) -> tuple[list[triton.InferInput], list[triton.InferRequestedOutput]]:
    """Inputs and requested outputs of a call; those in a region are given by its name and their position."""
    request, wanted = [], [triton.InferRequestedOutput(tensor.name) for tensor in spec.outputs]
    for tensor in spec.inputs:
        place = shared[1].inputs.get(tensor.name) if shared else None
        if shared is None or place is None:
            request.append(_request_input(tensor, inputs[tensor.name]))
        else:
            entry = triton.InferInput(tensor.name, list(place.shape), TRITON_DTYPES[tensor.dtype])
            entry.set_shared_memory(shared[0].name, place.nbytes, place.offset)
            request.append(entry)
    if shared is not None:
        for output in wanted:
            if (place := shared[1].outputs.get(output.name())) is not None:
                output.set_shared_memory(shared[0].name, place.nbytes, place.offset)
    return request, wanted


def outputs_of(spec: GraphSpec, answer: triton.InferResult, elsewhere: Collection[str] = ()) -> Tensors:
    """The outputs in the message."""
    try:
        arrays = {tensor.name: answer.as_numpy(tensor.name) for tensor in spec.outputs if tensor.name not in elsewhere}
    except ValueError as error:  # from numpy: fewer bytes than the shape needs
        raise ContractViolation(f"{spec.name}: Triton's response can't be parsed: {error}") from error
    return {name: array for name, array in arrays.items() if array is not None}

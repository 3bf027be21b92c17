"""The graphs on a Triton server, over gRPC. Only this file imports tritonclient."""

from collections.abc import Mapping

import numpy as np
import tritonclient.grpc.aio as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from service.errors import (
    ConfigurationError,
    ContractViolation,
    DualtrackError,
    InferenceError,
    InferenceTimeout,
    Unavailable,
)
from service.inference.checks import check_inputs, check_outputs, empty_outputs
from service.inference.client import Tensors
from service.inference.repository import Manifest
from service.inference.specs import GraphSpec, TensorSpec, graph_specs

TRITON_DTYPES = {"uint8": "UINT8", "int32": "INT32", "int64": "INT64", "float32": "FP32"}
GONE = ("UNAVAILABLE", "CANCELLED")
"""Statuses of a server that can't be reached, is full, or shuts down."""
EXPIRED = ("Request timeout expired",)
"""UNAVAILABLE is also the status of a request that waited too long in the server's queue."""
LEAVING = ("has no available versions", "is not healthy")
"""A model that is being unloaded (NOT_FOUND), and one whose process has died (INTERNAL)."""


class TritonClient:
    """One connection to a server.

    Args:
        url: host:port of the gRPC endpoint.
        deadline_s: seconds that the server is given per call; it stops working on the request then.
    """

    def __init__(self, url: str, *, deadline_s: float) -> None:
        self._url, self._deadline_s = url, deadline_s
        self._closed = False
        self._client = triton.InferenceServerClient(url)

    async def check(self, manifest: Manifest) -> None:
        """Compare the server's models with the specs.

        Raises:
            Unavailable: the server can't be reached or a model is not ready.
            ConfigurationError: a model's tensors differ; names model, tensor, wanted, found.
        """
        specs = graph_specs(manifest.dims)
        for name in manifest.graphs:
            try:
                metadata = await self._client.get_model_metadata(name, client_timeout=self._deadline_s)
            except InferenceServerException as error:
                if "NOT_FOUND" in str(error.status()):
                    raise ConfigurationError(
                        f"model {name}: expected on Triton at {self._url}, it says: {error.message()}"
                    ) from error
                raise _translated(error, name, self._url) from error
            _compare(specs[name], metadata)

    async def infer(self, spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]]) -> Tensors:
        """See `InferenceClient.infer`."""
        if self._closed:
            raise InferenceError(f"{spec.name}: the client is closed")
        check_inputs(spec, inputs)
        if (nothing := empty_outputs(spec, inputs)) is not None:
            return nothing
        request = [_request_input(tensor, inputs[tensor.name]) for tensor in spec.inputs]
        wanted = [triton.InferRequestedOutput(tensor.name) for tensor in spec.outputs]
        try:
            answer = await self._client.infer(spec.name, request, outputs=wanted, client_timeout=self._deadline_s)
        except InferenceServerException as error:
            raise _translated(error, spec.name, self._url) from error
        outputs = _outputs(spec, answer)
        check_outputs(spec, outputs, inputs)
        return outputs

    async def close(self) -> None:
        """Close the connection."""
        self._closed = True
        await self._client.close()


def _request_input(tensor: TensorSpec, array: NDArray[np.generic]) -> triton.InferInput:
    entry = triton.InferInput(tensor.name, list(array.shape), TRITON_DTYPES[tensor.dtype])
    entry.set_data_from_numpy(np.ascontiguousarray(array))
    return entry


def _outputs(spec: GraphSpec, answer: triton.InferResult) -> Tensors:
    try:
        arrays = {tensor.name: answer.as_numpy(tensor.name) for tensor in spec.outputs}
    except ValueError as error:  # numpy's: fewer bytes than the shape needs
        raise ContractViolation(f"{spec.name}: Triton's answer can't be read: {error}") from error
    return {name: array for name, array in arrays.items() if array is not None}


def _compare(spec: GraphSpec, metadata: object) -> None:
    for kind, tensors in (("inputs", spec.inputs), ("outputs", spec.outputs)):
        found = {item.name: item for item in getattr(metadata, kind)}
        for tensor in tensors:
            if tensor.name not in found:
                raise ConfigurationError(f"model {spec.name}: expected {kind} {tensor.name}, found {sorted(found)}")
            _compare_tensor(spec.name, tensor, found[tensor.name].datatype, list(found[tensor.name].shape))


def _compare_tensor(model: str, tensor: TensorSpec, dtype: str, shape: list[int]) -> None:
    wanted = [-1 if isinstance(axis, str) else axis for axis in tensor.shape]
    if dtype != TRITON_DTYPES[tensor.dtype] or shape != wanted:
        raise ConfigurationError(
            f"model {model}: tensor {tensor.name}: expected {TRITON_DTYPES[tensor.dtype]}{wanted}, "
            f"the server has {dtype}{shape}"
        )


def _translated(error: InferenceServerException, model: str, url: str) -> DualtrackError:
    """The server's status as one of our errors; the message names the model and the cause."""
    status, text = str(error.status()).removeprefix("StatusCode."), error.message() or "no message"
    if status == "DEADLINE_EXCEEDED" or any(part in text for part in EXPIRED):
        return InferenceTimeout(f"{model}: Triton at {url} gave no answer within the deadline: {text}")
    if status in GONE or any(part in text for part in LEAVING):
        return Unavailable(f"{model}: Triton at {url} is unavailable: {text}", code="triton-unavailable")
    return InferenceError(f"{model}: Triton at {url}: {status}: {text}")

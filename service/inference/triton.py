"""The graphs on a Triton server, over gRPC. Only this file imports tritonclient."""

from collections.abc import Mapping

import numpy as np
import tritonclient.grpc.aio as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from service.errors import ConfigurationError, InferenceError, InferenceTimeout, Unavailable
from service.inference.checks import check_inputs, check_outputs, empty_outputs
from service.inference.client import Tensors
from service.inference.repository import Manifest
from service.inference.specs import GraphSpec, TensorSpec, graph_specs

TRITON_DTYPES = {"uint8": "UINT8", "int32": "INT32", "int64": "INT64", "float32": "FP32"}


class TritonClient:
    """One connection to a server.

    Args:
        url: host:port of the gRPC endpoint.
        deadline_s: seconds that the server is given per call; it stops working on the request then.
    """

    def __init__(self, url: str, *, deadline_s: float) -> None:
        self._url, self._deadline_s = url, deadline_s
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
                raise _translated(error, name, self._url) from error
            _compare(specs[name], metadata)

    async def infer(self, spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]]) -> Tensors:
        """See `InferenceClient.infer`."""
        check_inputs(spec, inputs)
        if (nothing := empty_outputs(spec, inputs)) is not None:
            return nothing
        request = []
        for tensor in spec.inputs:
            array = np.ascontiguousarray(inputs[tensor.name])
            entry = triton.InferInput(tensor.name, list(array.shape), np_to_triton_dtype(array.dtype))
            entry.set_data_from_numpy(array)
            request.append(entry)
        wanted = [triton.InferRequestedOutput(tensor.name) for tensor in spec.outputs]
        try:
            answer = await self._client.infer(spec.name, request, outputs=wanted, client_timeout=self._deadline_s)
        except InferenceServerException as error:
            raise _translated(error, spec.name, self._url) from error
        outputs: Tensors = {tensor.name: answer.as_numpy(tensor.name) for tensor in spec.outputs}
        check_outputs(spec, outputs)
        return outputs

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()


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


def _translated(error: InferenceServerException, model: str, url: str) -> Exception:
    """The server's status as one of our errors; the message names the model and the cause."""
    status, text = str(error.status()), error.message()
    if "DEADLINE_EXCEEDED" in status:
        return InferenceTimeout(f"{model}: Triton at {url} gave no answer within the deadline")
    if "UNAVAILABLE" in status:
        return Unavailable(f"{model}: Triton at {url} is unavailable: {text}", code="triton-unavailable")
    return InferenceError(f"{model}: Triton at {url}: {text}")

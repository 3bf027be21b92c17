"""The interface to the networks, independent of the runtime."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from service.inference.specs import GraphSpec

Tensors = dict[str, NDArray[Any]]


class InferenceClient(Protocol):
    """Runs one graph on one batch.

    Implementations: `onnx_runtime.OnnxRuntimeClient`, `triton.client.TritonClient`, `fake.client.FakeClient`; policies
    (deadline, concurrency limit, retry) wrap a client.
    """

    @property
    def runtime(self) -> str:
        """Names the program and the hardware that run the graphs: results of two that differ are not the same bytes."""
        ...

    async def infer(self, spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]]) -> Tensors:
        """Run `spec`'s graph.

        Args:
            spec: names, dtypes and shapes of the graph's tensors.
            inputs: one array per input of the spec.

        Returns:
            One array per output of the spec, checked against the spec.

        Raises:
            ContractViolation: an input or output differs from the spec.
            InferenceTimeout: no response within the deadline.
            InferenceError: the graph failed; the message names it.
            Unavailable: the server can't be reached.
        """
        ...

    async def close(self) -> None:
        """Release sessions and connections; may be called again."""
        ...

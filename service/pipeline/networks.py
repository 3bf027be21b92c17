"""The networks as used by the stages: graphs by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from service.inference.client import InferenceClient, Tensors
from service.inference.repository.manifest import Manifest
from service.inference.specs import GraphSpec, graph_specs


@dataclass(frozen=True)
class Networks:
    """The graphs of a release and the client that runs them.

    Attributes:
        client: in-process onnxruntime, or Triton.
        manifest: dimensions, classes and files of the release.
    """

    client: InferenceClient
    manifest: Manifest

    @cached_property
    def specs(self) -> dict[str, GraphSpec]:
        """Specs of all graphs by name."""
        return graph_specs(self.manifest.dims)

    @property
    def source(self) -> str:
        """Names these weights and what runs them: another execution provider rounds in another way."""
        return f"{self.manifest.identity} {self.client.runtime}"

    async def run(self, graph: str, inputs: Mapping[str, NDArray[np.generic]]) -> Tensors:
        """Run one graph; raises like `InferenceClient.infer`."""
        return await self.client.infer(self.specs[graph], inputs)

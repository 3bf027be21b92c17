"""A fake client that needs no models: it segments plain-colored objects on a plain background.

It is deterministic (numpy and OpenCV), has the same specs as the real graphs, and works for synthetic clips in the
whole pipeline: the detector's classes are the colors of `detector.PALETTE`, features are downscaled images, and the
trackers search for the object's color. Touching objects of the same color are one object.
"""

import asyncio
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from dualtrack.errors import InferenceError
from service.inference.checks import check_inputs, check_outputs, empty_outputs
from service.inference.client import Tensors
from service.inference.fake import detector, trackers
from service.inference.specs import GraphSpec, ModelDims, graph_specs

Graph = Callable[[ModelDims, Mapping[str, NDArray[np.generic]]], Tensors]

GRAPHS: Mapping[str, Graph] = {
    "mask_rcnn": detector.mask_rcnn,
    "pixel_features": detector.pixel_features,
    "siamese_rpn_template": trackers.siamese_rpn_template,
    "siamese_rpn": trackers.siamese_rpn,
    "pixel_embedding_reference": trackers.pixel_embedding_reference,
    "pixel_embedding": trackers.pixel_embedding,
}


class FakeClient:
    """Runs the fake graphs.

    Args:
        dims: dimensions of the specs; at least 4 channels in every feature and embedding.
    """

    def __init__(self, dims: ModelDims) -> None:
        self._dims, self._names, self._closed = dims, frozenset(graph_specs(dims)), False

    @property
    def runtime(self) -> str:
        """See `InferenceClient.runtime`."""
        return "fake"

    async def infer(self, spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]]) -> Tensors:
        """See `InferenceClient.infer`."""
        if self._closed:
            raise InferenceError(f"{spec.name}: the client is closed")
        check_inputs(spec, inputs)
        if (nothing := empty_outputs(spec, inputs)) is not None:
            return nothing
        if spec.name not in self._names:
            raise InferenceError(f"{spec.name}: unknown graph, expected one of {sorted(self._names)}")
        outputs = await asyncio.to_thread(GRAPHS[spec.name], self._dims, inputs)
        check_outputs(spec, outputs, inputs)
        return outputs

    async def close(self) -> None:
        """Refuse further calls."""
        self._closed = True

"""Health check of models on Triton, as the server reports a model as ready even if its backend process has died."""

from collections.abc import Sequence

import numpy as np

from dualtrack.errors import ConfigurationError, InferenceError, InferenceTimeout, Unavailable
from service.inference.client import Tensors
from service.inference.repository.manifest import SERVED_VERSIONS, Manifest
from service.inference.specs import GraphSpec, graph_specs
from service.inference.triton.client import TritonClient
from service.inference.triton.statuses import DEAD_CODE

PROBE_S = 3.0
PROBE_HW = (128, 192)
"""Large enough for the lite detector to have the 400 cells it selects from."""


async def releases_alive(url: str, releases: Sequence[Manifest]) -> str | bool:
    """Check that the newest release responds or, until the server has loaded it, the previous one, which jobs use.

    Args:
        url: host:port of the gRPC endpoint.
        releases: newest first, at least one.

    Returns:
        True, or the problem with the newest.
    """
    newest, *earlier = releases[:SERVED_VERSIONS]
    status = await models_alive(url, newest)
    for release in earlier:
        if status is True or await models_alive(url, release) is True:
            return True
    return status


async def models_alive(url: str, manifest: Manifest) -> str | bool:
    """Probe every model with a small request, reloading dead ones.

    Returns:
        True, or a text that names the failing model and the cause. A busy model counts as alive.
    """
    client = TritonClient(url, deadline_s=PROBE_S, number=manifest.number)
    try:
        await client.live()
        specs = graph_specs(manifest.dims)
        for name in manifest.graphs:
            await _probe(client, specs[name])
    except (Unavailable, InferenceError, ConfigurationError) as error:
        return error.detail
    finally:
        await client.close()
    return True


async def _probe(client: TritonClient, spec: GraphSpec) -> None:
    try:
        await client.infer(spec, _zeros(spec))
    except InferenceTimeout:
        return
    except Unavailable as error:
        if error.code != DEAD_CODE:
            raise
        await client.reload(spec.name)
        await client.infer(spec, _zeros(spec))


def _zeros(spec: GraphSpec) -> Tensors:
    height, width = PROBE_HW
    sizes = {"B": 1, "F": 1, "N": 1, "H": height, "W": width}
    sizes |= {f"{axis}{stride}": side // stride for stride in (4, 8) for axis, side in (("h", height), ("w", width))}
    return {
        tensor.name: np.zeros([sizes[axis] if isinstance(axis, str) else axis for axis in tensor.shape], tensor.dtype)
        for tensor in spec.inputs
    }

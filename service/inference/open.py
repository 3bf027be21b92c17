"""Opens the client selected by the settings."""

from collections.abc import Sequence

from service.inference.client import InferenceClient
from service.inference.onnx_runtime import OnnxRuntimeClient
from service.inference.policies import WithDeadline, WithLimit, WithRetry
from service.inference.repository.manifest import Manifest

MOST_CALLS = 8
"""Maximum number of concurrent calls from a worker to a Triton server."""
SHARED_BYTES = 1 << 30
TRIES, PAUSE_S = 32, 0.25
"""58 s of pauses in total, none over 2 s: enough for a server restart. A longer absence fails the attempt, not the
job."""


async def open_client(
    manifest: Manifest,
    *,
    triton_url: str | None,
    providers: Sequence[str],
    threads: int,
    deadline_s: float,
    shared_bytes: int = SHARED_BYTES,
) -> InferenceClient:
    """Open in-process onnxruntime, or Triton at `triton_url` (host:port of its gRPC endpoint).

    On the same host, large tensors are passed in shared memory, at most `shared_bytes` of it; 0 disables this.

    Raises:
        ConfigurationError: graphs, provider or server do not match the manifest.
        Unavailable: the server can't be reached.
    """
    if triton_url is None:
        return OnnxRuntimeClient(manifest, providers=providers, threads=threads)
    # tritonclient takes a second to import
    from service.inference.triton.client import TritonClient  # noqa: PLC0415

    client = TritonClient(triton_url, deadline_s=deadline_s, number=manifest.number)
    try:
        await client.check(manifest)
        if shared_bytes:
            await client.share(shared_bytes)
    except BaseException:
        await client.close()
        raise
    # the deadline is innermost: it limits the call itself, without waiting for a slot or between attempts
    return WithLimit(
        WithRetry(WithDeadline(client, seconds=deadline_s), tries=TRIES, pause_s=PAUSE_S), calls=MOST_CALLS
    )

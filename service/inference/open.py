"""Opens the client that the settings ask for."""

from collections.abc import Sequence

from service.inference.client import InferenceClient
from service.inference.onnx_runtime import OnnxRuntimeClient
from service.inference.policies import WithDeadline, WithLimit, WithRetry
from service.inference.repository.manifest import Manifest

MOST_CALLS = 8
"""Calls in flight to one Triton server from one worker."""
SHARED_BYTES = 1 << 30
TRIES, PAUSE_S = 32, 0.25
"""58 s of pauses in all, none over 2 s: a server that is started again is waited for; a longer absence fails the
attempt, not the job."""


async def open_client(
    manifest: Manifest,
    *,
    triton_url: str | None,
    providers: Sequence[str],
    threads: int,
    deadline_s: float,
    shared_bytes: int = SHARED_BYTES,
) -> InferenceClient:
    """Open onnxruntime in process, or Triton at `triton_url` (host:port of its gRPC endpoint).

    On one host large tensors go by shared memory, at most `shared_bytes` of it; 0 keeps them inside the messages.

    Raises:
        ConfigurationError: graphs, provider or server do not fit the manifest.
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
    # the deadline is innermost: it times the call, not the wait for a turn or between tries
    return WithLimit(
        WithRetry(WithDeadline(client, seconds=deadline_s), tries=TRIES, pause_s=PAUSE_S), calls=MOST_CALLS
    )

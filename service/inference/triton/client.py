"""Runs graphs on a Triton server, over gRPC. Only this folder imports tritonclient."""

import asyncio
import mmap
from collections.abc import Mapping
from enum import Enum

import numpy as np
import tritonclient.grpc.aio as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from dualtrack.errors import (
    ConfigurationError,
    DualtrackError,
    InferenceError,
    InferenceTimeout,
    Unavailable,
)
from service.inference.checks import check_inputs, check_outputs, empty_outputs
from service.inference.client import Tensors
from service.inference.repository.manifest import Manifest
from service.inference.specs import GraphSpec, graph_specs
from service.inference.triton.deployed import compare_release, compare_tensors, placement
from service.inference.triton.messages import outputs_of, request_of
from service.inference.triton.shared_call import Layout, layout
from service.inference.triton.shared_memory import Region, Regions, is_stale, sweep
from service.inference.triton.statuses import GONE, LEAVING, not_reloaded, translated

CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 200),
    # gRPC's default is two minutes, too long after the server is back
    ("grpc.max_reconnect_backoff_ms", 1000),
]


REGION_UNKNOWN = "Unable to find shared memory region"
ALREADY = "already in manager"
CLOSE_S = 2.0
IN_USE, IN_USE_TRIES, IN_USE_PAUSE_S = "currently in use", 10, 0.2


class _RegionUnknown(InferenceError):
    """The server does not know a region that was registered, since it has restarted."""


class Forgetting(Enum):
    """What came of asking the server to forget a region."""

    DONE = "done"  # or it did not know it
    IN_USE = "in use"  # by a request
    UNANSWERED = "unanswered"


class TritonClient:
    """One connection to a server.

    Args:
        url: host:port of the gRPC endpoint.
        deadline_s: timeout per call in seconds, after which the server stops working on the request.
        number: version of the models, sent with every call so that a swap does not affect a running job.
    """

    def __init__(self, url: str, *, deadline_s: float, number: int = 1) -> None:
        self._url, self._deadline_s, self._number = url, deadline_s, str(number)
        self._closed = False
        self._regions: Regions | None = None
        self._registered: set[str] = set()
        self._lost: list[Region] = []
        """Regions of calls that got no answer: the server may still write to them. Also those that make room."""
        self._client = triton.InferenceServerClient(url, channel_args=CHANNEL)
        self.runtime = "triton"
        """See `InferenceClient.runtime`; `check` finds out the rest."""

    async def check(self, manifest: Manifest) -> None:
        """Compare the server's models with the specs and the manifest.

        Raises:
            Unavailable: the server can't be reached or a model is not ready.
            ConfigurationError: release, file or tensors of a model differ; names model, tensor, expected and found.
        """
        specs = graph_specs(manifest.dims)
        placed: set[str] = set()
        for name in manifest.graphs:
            try:
                config = await self._client.get_model_config(name, self._number, client_timeout=self._deadline_s)
                metadata = await self._client.get_model_metadata(name, self._number, client_timeout=self._deadline_s)
            except InferenceServerException as error:
                raise self._absent(name, error) from error
            compare_release(manifest, name, config.config)
            compare_tensors(specs[name], metadata)
            placed.add(placement(config.config))
        try:
            server = await self._client.get_server_metadata(client_timeout=self._deadline_s)
        except InferenceServerException as error:
            raise translated(error, "server", self._url) from error
        self.runtime = f"triton {server.version} {', '.join(sorted(placed))}"

    def _absent(self, name: str, error: InferenceServerException) -> DualtrackError:
        text = error.message() or ""
        if "NOT_FOUND" in str(error.status()) or any(part in text for part in LEAVING):
            return ConfigurationError(
                f"model {name}: expected version {self._number} on Triton at {self._url}, got: {text}"
            )
        return translated(error, name, self._url)

    async def live(self) -> None:
        """Check that the server responds.

        Raises:
            Unavailable: it does not.
        """
        try:
            await self._client.is_server_live(client_timeout=self._deadline_s)
        except InferenceServerException as error:
            raise Unavailable(
                f"Triton at {self._url} does not respond: {error.message()}", code="triton-unavailable"
            ) from error

    async def reload(self, model: str) -> None:
        """Unload and load a model, which replaces a dead backend process.

        Raises:
            Unavailable: the server refuses or fails; it must run with `--model-control-mode=explicit`.
        """
        try:
            await self._client.unload_model(model)
            await self._client.load_model(model)
        except InferenceServerException as error:
            raise not_reloaded(error, model, self._url) from error

    async def infer(self, spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]]) -> Tensors:
        """See `InferenceClient.infer`."""
        if self._closed:
            raise InferenceError(f"{spec.name}: the client is closed")
        check_inputs(spec, inputs)
        if (nothing := empty_outputs(spec, inputs)) is not None:
            return nothing
        plan = layout(spec, inputs)
        region = self._regions.take(plan.size) if self._regions is not None and plan.size else None
        if region is None:
            outputs = outputs_of(spec, await self._call(spec, inputs))
            if self._regions is not None:
                # others take up the room of one that large; the next call finds it free
                self._lost += self._regions.retire(plan.size)
        else:
            outputs = await self._through(region, plan, spec, inputs)
        await self._reclaim()
        check_outputs(spec, outputs, inputs)
        return outputs

    async def _through(
        self, region: Region, plan: Layout, spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]]
    ) -> Tensors:
        """Make one call with large tensors in a region."""
        asked = False
        try:
            plan.fill(region, inputs)
            await self._register(region, spec.name)
            asked = True
            try:
                answer = await self._call(spec, inputs, (region, plan))
            except _RegionUnknown:  # registered with an earlier server process
                asked = False
                self._registered.clear()
                await self._register(region, spec.name)
                asked = True
                answer = await self._call(spec, inputs, (region, plan))
        except BaseException as error:
            answered = isinstance(error, DualtrackError) and not isinstance(error, Unavailable | InferenceTimeout)
            if answered or not asked:
                self._give(region)
            else:  # also after a cancel: the server may go on with the request, and write to the region
                self._lost.append(region)
            raise
        outputs = {**outputs_of(spec, answer, set(plan.outputs)), **plan.read(region)}
        self._give(region)
        return {tensor.name: outputs[tensor.name] for tensor in spec.outputs if tensor.name in outputs}

    async def _call(
        self,
        spec: GraphSpec,
        inputs: Mapping[str, NDArray[np.generic]],
        shared: tuple[Region, Layout] | None = None,
    ) -> triton.InferResult:
        request, wanted = request_of(spec, inputs, shared)
        try:
            return await self._client.infer(
                spec.name,
                request,
                self._number,
                wanted,
                client_timeout=self._deadline_s,
                **self._queueing(spec, inputs),
            )
        except InferenceServerException as error:
            if shared is not None and REGION_UNKNOWN in (error.message() or ""):
                raise _RegionUnknown(f"{spec.name}: {error.message()}") from error
            raise translated(error, spec.name, self._url) from error

    async def share(self, max_bytes: int) -> bool:
        """Use shared memory from now on, if the server is on the same host and can map it.

        First removes regions of clients that have died, locally and on the server.
        """
        try:
            sweep()
            regions = Regions(max_bytes=max_bytes)
        except OSError:
            return False
        probe = regions.take(mmap.PAGESIZE)
        try:
            if probe is None:
                raise ConfigurationError("shared memory: not enough space for one page")
            await self._register(probe, "shared memory")
            status = await self._client.get_system_shared_memory_status(client_timeout=self._deadline_s)
            for name in filter(is_stale, status.regions):
                await self._unregister(name)
        except (DualtrackError, InferenceServerException):
            regions.close()
            return False
        regions.give(probe)
        self._regions = regions
        return True

    async def _register(self, region: Region, what: str) -> None:
        if region.name in self._registered:
            return
        try:
            await self._client.register_system_shared_memory(
                region.name, f"/{region.name}", region.data.size, client_timeout=self._deadline_s
            )
        except InferenceServerException as error:
            if ALREADY not in (error.message() or ""):
                raise translated(error, what, self._url) from error
        self._registered.add(region.name)

    async def _reclaim(self) -> None:
        """Have the room of lost regions again, now that the server answers: it forgets those that it is done with."""
        lost, self._lost = self._lost, []
        for region in lost:
            if self._regions is not None and await self._forget(region.name) == Forgetting.DONE:
                self._registered.discard(region.name)
                # not used again: a server that was replaced may still be at work on it
                self._regions.discard(region)
            else:
                self._lost.append(region)

    async def _unregister(self, name: str) -> None:
        """Unregister a region; the server refuses while a request is using it."""
        for _ in range(IN_USE_TRIES):
            if await self._forget(name) != Forgetting.IN_USE:
                return
            await asyncio.sleep(IN_USE_PAUSE_S)

    async def _forget(self, name: str) -> "Forgetting":
        """Ask the server to forget a region."""
        try:
            await self._client.unregister_system_shared_memory(name, client_timeout=CLOSE_S)
        except InferenceServerException as error:
            if IN_USE in (error.message() or ""):
                return Forgetting.IN_USE
            status = str(error.status()).removeprefix("StatusCode.")
            return Forgetting.UNANSWERED if status in {*GONE, "DEADLINE_EXCEEDED"} else Forgetting.DONE
        return Forgetting.DONE

    def _give(self, region: Region) -> None:
        if self._regions is not None:
            self._regions.give(region)

    def _queueing(self, spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, int]:
        """Priority and timeout in the server's queue, which only batched models have.

        Tracking waits for single frames, so they have priority over batches of the stage `detect`.
        """
        if not spec.max_batch_size:
            return {}
        single = len(inputs[spec.inputs[0].name]) == 1
        return {"priority": 1 if single else 2, "timeout": int(self._deadline_s * 1e6)}

    async def close(self) -> None:
        """Close the connection."""
        self._closed = True
        regions, self._regions = self._regions, None
        registered, self._registered = self._registered, set()
        try:
            for name in registered:
                await self._unregister(name)
        finally:
            if regions is not None:
                regions.close()
            await self._client.close()

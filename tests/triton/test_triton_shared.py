"""Shared memory with a real Triton on this host."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from dualtrack.errors import InferenceTimeout, Unavailable
from service.inference.repository.manifest import load_manifest
from service.inference.specs import graph_specs
from service.inference.triton.client import TritonClient
from service.inference.triton.shared_memory import PREFIX, SHM
from tests.contract.inference.backends import Sizes, inputs_for
from tests.support.patience import PATIENCE_S
from tests.support.pipelines import REPOSITORY
from tests.support.ports import free_ports
from tests.triton.server import Triton, triton

pytestmark = pytest.mark.triton

MANIFEST = load_manifest(REPOSITORY)
SPECS = graph_specs(MANIFEST.dims)
CLIENT = """
import asyncio, sys
from service.inference.triton.client import TritonClient
from tests.contract.inference.backends import Sizes, inputs_for
from tests.support.patience import PATIENCE_S
from tests.triton.test_triton_shared import SPECS

async def work():
    client = TritonClient(sys.argv[1], deadline_s=PATIENCE_S)
    assert await client.share(1 << 28)
    spec = SPECS["mask_rcnn"]
    inputs = inputs_for(spec, Sizes(images=2))
    await client.infer(spec, inputs)
    print("shared", flush=True)
    while True:
        await client.infer(spec, inputs)

asyncio.run(work())
"""


def ours() -> set[str]:
    return {path.name for path in SHM.glob(f"{PREFIX}*")}


def regions_of(client: TritonClient) -> int:
    """How many regions a client holds: one page to try it out, and one for every call at the same time."""
    assert client._regions is not None
    return len(list(SHM.glob(f"{client._regions._owner}-*")))


@contextlib.asynccontextmanager
async def sharing(url: str, *, max_bytes: int = 1 << 28, deadline_s: float = PATIENCE_S):
    client = TritonClient(url, deadline_s=deadline_s)
    try:
        assert await client.share(max_bytes)
        yield client
    finally:
        await client.close()


@pytest.fixture
def server(triton_server: Callable[[Path], Triton]) -> Iterator[Triton]:
    before = ours()
    yield triton_server(REPOSITORY)
    assert ours() <= before


@pytest.mark.parametrize("graph", SPECS)
def test_same_outputs_as_inside_the_messages(server: Triton, graph: str) -> None:
    spec = SPECS[graph]
    calls = [inputs_for(spec, Sizes(images=2, tracks=n), seed=n) for n in (3, 1, 0, 3)]

    async def work() -> None:
        inline = TritonClient(server.grpc_url, deadline_s=PATIENCE_S)
        async with sharing(server.grpc_url) as shared:
            for inputs in calls:
                here, there = await inline.infer(spec, inputs), await shared.infer(spec, inputs)
                assert list(here) == list(there)
                for name, values in here.items():
                    np.testing.assert_array_equal(values, there[name])
        await inline.close()

    asyncio.run(work())


def test_a_full_budget_falls_back_to_messages(server: Triton) -> None:
    async def work() -> None:
        async with sharing(server.grpc_url, max_bytes=8192) as client:
            outputs = await client.infer(SPECS["mask_rcnn"], inputs_for(SPECS["mask_rcnn"], Sizes()))
            assert outputs["f4"].size

    asyncio.run(work())


def test_calls_at_the_same_time_have_regions_of_their_own(server: Triton) -> None:
    spec = SPECS["siamese_rpn_template"]
    calls = [inputs_for(spec, Sizes(images=2, tracks=3), seed=n) for n in range(6)]

    async def work() -> None:
        async with sharing(server.grpc_url) as client:
            at_once = await asyncio.gather(*(client.infer(spec, inputs) for inputs in calls))
            for inputs, found in zip(calls, at_once, strict=True):
                np.testing.assert_array_equal(found["templates"], (await client.infer(spec, inputs))["templates"])

    asyncio.run(work())


def test_a_killed_client_leaves_nothing_after_the_next_start(server: Triton) -> None:
    before = ours()
    client = subprocess.Popen([sys.executable, "-c", CLIENT, server.grpc_url], stdout=subprocess.PIPE)
    assert client.stdout is not None
    with client.stdout:
        assert client.stdout.readline() == b"shared\n"
    # anywhere in one of its calls
    time.sleep(0.5)
    os.kill(client.pid, signal.SIGKILL)
    client.wait()
    left = ours() - before
    assert len(left) >= 2

    async def work() -> set[str]:
        async with sharing(server.grpc_url) as other:
            await other.infer(SPECS["mask_rcnn"], inputs_for(SPECS["mask_rcnn"], Sizes()))
            return set((await other._client.get_system_shared_memory_status()).regions)

    registered = asyncio.run(work())
    assert not left & registered
    assert not left & ours()


def test_a_restarted_server_gets_the_regions_again(tmp_path: Path, triton_python: Path) -> None:
    ports, spec = free_ports(3), SPECS["siamese_rpn_template"]
    inputs = inputs_for(spec, Sizes(tracks=2))

    async def work() -> None:
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(triton(REPOSITORY, tmp_path, triton_python, ports=ports))
            async with sharing(first.grpc_url) as client:
                before = await client.infer(spec, inputs)
                held = regions_of(client)
                os.killpg(first.process.pid, signal.SIGKILL)
                first.process.wait()
                for _ in range(3):
                    with pytest.raises(Unavailable):
                        await client.infer(spec, inputs)
                # a folder of its own: the first one's backend may be a moment longer alive than its server
                (tmp_path / "again").mkdir()
                stack.enter_context(triton(REPOSITORY, tmp_path / "again", triton_python, ports=ports))
                after = None
                while after is None:
                    # the connection tries again after a while
                    with contextlib.suppress(Unavailable):
                        after = await client.infer(spec, inputs)
                    await asyncio.sleep(0.05)
                np.testing.assert_array_equal(before["templates"], after["templates"])
                assert regions_of(client) == held

    earlier = ours()
    asyncio.run(work())
    assert ours() <= earlier


def test_regions_of_calls_that_a_frozen_server_did_not_answer_are_given_back(
    tmp_path: Path, triton_python: Path
) -> None:
    spec = SPECS["siamese_rpn_template"]
    inputs = inputs_for(spec, Sizes(tracks=2))

    async def work() -> None:
        with triton(REPOSITORY, tmp_path, triton_python) as server:
            async with sharing(server.grpc_url) as client:
                before = await client.infer(spec, inputs)
                held = regions_of(client)
                os.killpg(server.process.pid, signal.SIGSTOP)
                client._deadline_s = 2
                for _ in range(2):
                    with pytest.raises((InferenceTimeout, Unavailable)):
                        await client.infer(spec, inputs)
                canceled = asyncio.create_task(client.infer(spec, inputs))
                # it has its region by then; the two calls before left one in any case
                await asyncio.sleep(0.2)
                canceled.cancel()
                await asyncio.gather(canceled, return_exceptions=True)
                assert regions_of(client) > held
                os.killpg(server.process.pid, signal.SIGCONT)
                client._deadline_s = PATIENCE_S
                while client._lost:
                    after = await client.infer(spec, inputs)
                np.testing.assert_array_equal(before["templates"], after["templates"])
                status = await client._client.get_system_shared_memory_status()
                assert len(status.regions) == len(client._registered) == regions_of(client)
                assert regions_of(client) <= held

    earlier = ours()
    asyncio.run(work())
    assert ours() <= earlier

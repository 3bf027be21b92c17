"""What can go wrong with a real Triton: the error names model and cause, nothing hangs, no job is lost."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dualtrack.client.client import Client
from dualtrack.errors import ConfigurationError, InferenceTimeout, Unavailable
from service.inference.open import open_client
from service.inference.repository.manifest import Manifest, load_manifest
from service.inference.specs import graph_specs
from service.inference.triton.client import TritonClient
from service.inference.triton.health import models_alive
from tests.contract.inference.backends import Sizes, inputs_for
from tests.integration.api.api_service import running, wait_for
from tests.support.clips import cut
from tests.support.patience import PATIENCE_S
from tests.support.pipelines import REPOSITORY
from tests.support.ports import free_ports
from tests.support.results import STORED
from tests.triton.server import Triton, triton

pytestmark = pytest.mark.triton

MANIFEST = load_manifest(REPOSITORY)
SPECS = graph_specs(MANIFEST.dims)
DETECTOR, TEMPLATE = SPECS["mask_rcnn"], SPECS["siamese_rpn_template"]
EXPLICIT = ("--model-control-mode=explicit", "--load-model=*")
T = TypeVar("T")
Serve = Callable[..., AbstractContextManager[Triton]]


@pytest.fixture
def serve(tmp_path: Path, triton_python: Path) -> Serve:
    """Start a server on a copy of the repository whose configurations `edit` has changed."""

    @contextlib.contextmanager
    def start(edit: Callable[[Path], None] = lambda _: None, **options: Any) -> Iterator[Triton]:
        repository = tmp_path / "repository"
        if not repository.exists():
            shutil.copytree(REPOSITORY, repository)
            edit(repository)
        with triton(repository, tmp_path / "triton", triton_python, **options) as server:
            yield server

    return start


def ask(
    server: Triton, work: Callable[[TritonClient], Awaitable[T]], *, deadline_s: float = PATIENCE_S, number: int = 1
) -> T:
    async def opened() -> T:
        client = TritonClient(server.grpc_url, deadline_s=deadline_s, number=number)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(opened())


def slow(seconds: float, queue: int = 64) -> Callable[[Path], None]:
    def edit(repository: Path) -> None:
        path = repository / "mask_rcnn" / "config.pbtxt"
        delay = f'parameters {{ key: "stand_in_delay_s" value: {{ string_value: "{seconds}" }} }}\n'
        path.write_text(path.read_text().replace("max_queue_size: 64", f"max_queue_size: {queue}") + delay)

    return edit


def one_frame(seed: int = 0) -> dict[str, Any]:
    return inputs_for(DETECTOR, Sizes(images=1), seed=seed)


def stub_of(server: Triton, model: str) -> int:
    """Process of a model's backend, among the server's children."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    children += [
        c for t in Path(f"/proc/{server.process.pid}/task").iterdir() for c in (t / "children").read_text().split()
    ]
    for child in set(children):
        command = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        if f"/{model}/" in command and "stub" in command:
            return int(child)
    raise AssertionError(f"no process of {model} among {children}")


def edited(**changes: Any) -> Manifest:
    return replace(MANIFEST, **changes)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        pytest.param(
            edited(graphs={**MANIFEST.graphs, "siamese_rpn": "0" * 64}),
            r"model siamese_rpn: expected dualtrack_sha256_1 '0{64}' \(manifest of .*\), the server has '\w{64}'",
            id="another-file",
        ),
        pytest.param(
            edited(release="lite-99"),
            "expected dualtrack_release_1 'lite-99' .*, the server has 'lite-",
            id="another-release",
        ),
        pytest.param(
            edited(dims=replace(MANIFEST.dims, classes=7)),
            r"model mask_rcnn: tensor scores: expected FP32\[-1, 50, 7\], the server has FP32\[-1, 50, 101\]",
            id="another-shape",
        ),
        pytest.param(edited(number=2), "model mask_rcnn: expected version 2 on Triton at .*, got: ", id="version"),
        pytest.param(
            edited(graphs={"pixel_features": "0" * 64}),
            "model pixel_features: expected version 1 on Triton at .*, got: ",
            id="no-such-model",
        ),
    ],
)
def test_a_server_that_does_not_fit_is_refused(
    triton_server: Callable[[Path], Triton], manifest: Manifest, message: str
) -> None:
    server = triton_server(REPOSITORY)
    with pytest.raises(ConfigurationError, match=message):
        ask(server, lambda client: client.check(manifest), number=manifest.number)


def test_absent_server_refuses_the_start_at_once() -> None:
    url = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(Unavailable, match=f"mask_rcnn: Triton at {url} is unavailable"):
        asyncio.run(open_client(MANIFEST, triton_url=url, providers=(), threads=1, deadline_s=PATIENCE_S))
    assert "does not respond" in str(asyncio.run(models_alive(url, MANIFEST)))


def test_corrupt_model_is_named(serve: Serve) -> None:
    def corrupt(repository: Path) -> None:
        (repository / "siamese_rpn" / "1" / "model.onnx").write_bytes(b"not a model")

    with serve(corrupt, options=("--exit-on-error=false", "--strict-readiness=false")) as server:
        with pytest.raises((ConfigurationError, Unavailable), match="siamese_rpn"):
            ask(server, lambda client: client.check(MANIFEST))
        assert "siamese_rpn" in str(asyncio.run(models_alive(server.grpc_url, MANIFEST)))


def test_unloaded_model_and_loaded_again(serve: Serve) -> None:
    inputs = inputs_for(TEMPLATE, Sizes())

    async def work(client: TritonClient) -> None:
        await client.infer(TEMPLATE, inputs)
        await client._client.unload_model(TEMPLATE.name)
        while await client._client.is_model_ready(TEMPLATE.name):  # noqa: ASYNC110 (the server sends no event)
            await asyncio.sleep(0.05)
        with pytest.raises(Unavailable, match=r"siamese_rpn_template: Triton at .* is unavailable"):
            await client.infer(TEMPLATE, inputs)
        await client._client.load_model(TEMPLATE.name)
        await client.infer(TEMPLATE, inputs)

    with serve(options=EXPLICIT) as server:
        ask(server, work)


def test_model_whose_process_died_is_found_and_recovered(serve: Serve) -> None:
    with serve(options=EXPLICIT) as server:
        assert asyncio.run(models_alive(server.grpc_url, MANIFEST)) is True
        os.kill(stub_of(server, "siamese_rpn"), signal.SIGKILL)
        with pytest.raises(Unavailable, match=r"siamese_rpn: its process on Triton at .* has died"):
            ask(server, lambda client: client.infer(SPECS["siamese_rpn"], inputs_for(SPECS["siamese_rpn"], Sizes())))
        assert asyncio.run(models_alive(server.grpc_url, MANIFEST)) is True


def test_model_whose_process_died_is_named_where_it_can_not_be_recovered(serve: Serve) -> None:
    with serve() as server:
        os.kill(stub_of(server, "siamese_rpn"), signal.SIGKILL)
        said = asyncio.run(models_alive(server.grpc_url, MANIFEST))
        assert "siamese_rpn: Triton at" in str(said)
        assert "can't reload it" in str(said)


def test_frozen_server_is_a_timeout_that_names_the_model(serve: Serve) -> None:
    with serve() as server:
        os.killpg(server.process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(InferenceTimeout, match=r"mask_rcnn: Triton at .* did not respond within the deadline"):
                ask(server, lambda client: client.infer(DETECTOR, one_frame()), deadline_s=1.5)
        finally:
            os.killpg(server.process.pid, signal.SIGCONT)


def test_request_over_the_deadline_in_the_queue(serve: Serve) -> None:
    batch = inputs_for(DETECTOR, Sizes(images=8))

    async def work(client: TritonClient) -> None:
        # one runs, one waits: a third has to wait for both, longer than its deadline
        calls = [asyncio.create_task(client.infer(DETECTOR, batch)) for _ in range(2)]
        while await asyncio.to_thread(pending_requests, server) < 1:  # noqa: ASYNC110 (the server sends no event)
            await asyncio.sleep(0.05)
        with pytest.raises(InferenceTimeout, match="mask_rcnn"):
            await asyncio.to_thread(ask, server, lambda hasty: hasty.infer(DETECTOR, batch), deadline_s=1)
        assert all(isinstance(answer, dict) for answer in await asyncio.gather(*calls))

    with serve(slow(3)) as server:
        ask(server, work)


def test_full_queue_is_reported_and_waited_for(serve: Serve) -> None:
    batch = inputs_for(DETECTOR, Sizes(images=8))

    async def at_once(client: Any) -> list[Any]:
        return await asyncio.gather(*(client.infer(DETECTOR, batch) for _ in range(6)), return_exceptions=True)

    async def patiently(url: str) -> list[Any]:
        client = await open_client(MANIFEST, triton_url=url, providers=(), threads=1, deadline_s=PATIENCE_S)
        try:
            return await at_once(client)
        finally:
            await client.close()

    with serve(slow(1, queue=1)) as server:
        refused = [answer for answer in ask(server, at_once) if isinstance(answer, Unavailable)]
        assert refused
        assert "mask_rcnn" in str(refused[0])
        assert "maximum queue size" in str(refused[0])
        assert all(isinstance(answer, dict) for answer in asyncio.run(patiently(server.grpc_url)))


def canceled_requests(server: Triton) -> float:
    """How many requests of `mask_rcnn` the server says were canceled."""
    with urllib.request.urlopen(server.metrics_url) as answer:
        lines = answer.read().decode().splitlines()
    counted = [line for line in lines if 'model="mask_rcnn"' in line and 'reason="CANCELED"' in line]
    return sum(float(line.split()[-1]) for line in counted)


def pending_requests(server: Triton) -> float:
    """How many requests of `mask_rcnn` wait in the server's queue."""
    with urllib.request.urlopen(server.metrics_url) as answer:
        lines = answer.read().decode().splitlines()
    pending = [line for line in lines if line.startswith('nv_inference_pending_request_count{model="mask_rcnn"')]
    return sum(float(line.split()[-1]) for line in pending)


def test_cancel_reaches_the_server(serve: Serve) -> None:
    async def work(client: TritonClient) -> None:
        calls = [asyncio.create_task(client.infer(DETECTOR, inputs_for(DETECTOR, Sizes(images=8)))) for _ in range(3)]
        # one runs, two wait, in any order: of two that are canceled at least one waits
        while await asyncio.to_thread(pending_requests, server) < 2 and not any(call.done() for call in calls):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        for call in calls[1:]:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    with serve(slow(4)) as server:
        ask(server, work)
        # the server counts the request when it takes it out of its queue, not when the client gives it up
        wait_for(lambda: canceled_requests(server) >= 1)


def test_server_killed_and_started_again_in_mid_job(serve: Serve, tmp_path: Path) -> None:
    ports = free_ports(3)
    with running(tmp_path) as api, contextlib.ExitStack() as stack:
        first = stack.enter_context(serve(ports=ports))
        environment = {
            **os.environ,
            "DUALTRACK_REDIS_URL": api.valkey.url,
            "DUALTRACK_DATA_DIR": str(tmp_path),
            "DUALTRACK_MODEL_REPOSITORY": str(REPOSITORY),
            "DUALTRACK_TRITON_URL": f"127.0.0.1:{ports[1]}",
        }
        with (tmp_path / "worker.log").open("wb") as log:
            command = [sys.executable, "-m", "service.cli.main", "worker"]
            worker = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            with Client(api.url) as client:
                job = client.submit(cut(tmp_path / "clip.mp4", 24), overlay=False)

                def detecting() -> bool:
                    progress = client.job(job).progress
                    return progress is not None and progress.stage == "detect" and progress.done >= 8

                wait_for(detecting)
                os.killpg(first.process.pid, signal.SIGKILL)
                # long enough for a job that gives up at once to show it
                time.sleep(1)
                assert client.job(job).state == "running"
                stack.enter_context(serve(ports=ports))
                client.wait(job, timeout_s=PATIENCE_S)
                done = client.job(job)
                assert (done.state, done.attempt) == ("done", 1)
                assert client.result(job).tubelets
            results = list((tmp_path / "blobs" / "results").glob(f"*/*/{STORED}"))
            assert len(results) == 1
        finally:
            worker.terminate()
            worker.wait(PATIENCE_S)

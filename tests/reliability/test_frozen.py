"""Parts that freeze, come back as zombies or are drained: each job is done once, and nothing of the others stays."""

import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.integration.api.api_service import wait_for
from tests.reliability.following import Desk, desk, scene, since
from tests.reliability.responses import PATIENCE_S
from tests.reliability.service_processes import Service, serving

pytestmark = pytest.mark.reliability

SETTINGS = {
    "engine_silent_s": 3,
    "inference_deadline_s": 1,
    "limits__wall_s": 2,
    # a busy machine may take longer than these; then an attempt more is needed, never another result
    "max_attempts": 9,
    "checkpoint_frames": 8,
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("frozen") / "data", **SETTINGS) as service:
        yield service


@pytest.fixture
def at(service: Service) -> Iterator[Desk]:
    with desk(service) as opened:
        yield opened


def freeze_a_decoder(at: Desk, path: str) -> bool:
    """Freeze the decoder of a job; False if the job has ended before."""
    while at.caller.call("GET", path).json()["finished_at"] is None:
        for pid in at.service.pids("decoder"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                return True
    return False


def is_done(job: dict[str, object], *, attempts: int) -> bool:
    return job["state"] == "done" and int(str(job["attempt"])) >= attempts


@pytest.mark.parametrize(
    "frozen", [pytest.param(("worker",), id="worker"), pytest.param(("worker", "engine"), id="worker and engine")]
)
def test_a_zombie_commits_nothing_and_leaves_nothing(frozen: tuple[str, ...], at: Desk, tmp_path: Path) -> None:
    service, before = at.service, at.counts()
    path = at.submit(scene(tmp_path / "a.mp4", shift=len(frozen)))
    at.until_it_works(path)
    stopped = [service.send(part, signal.SIGSTOP) for part in frozen]
    other = service.start_worker()
    try:
        job = at.until_it_ends(path)
        assert is_done(job, attempts=2)
        result = at.caller.call("GET", f"{path}/result").content
        dropped = service.log.read_text().count("its result is dropped")
        for pid in reversed(stopped):
            os.kill(pid, signal.SIGCONT)
        at.until_logged("its result is dropped", dropped + 1)
    finally:
        other.terminate()
        other.wait(PATIENCE_S)
        service.further.remove(other)
    assert at.results(path) == {str(job["attempt"])}
    assert at.caller.call("GET", f"{path}/result").content == result
    assert at.until_it_ends(path) == job
    # the zombie works again
    assert is_done(at.until_it_ends(at.submit(scene(tmp_path / "b.mp4", 4))), attempts=1)
    counted = since(before, at.counts())
    assert counted["jobs:done"] == 2
    assert counted["failures:service:worker-died"] >= 1
    # one worker is left, which has nothing to do
    scratch = service.folder / "scratch"
    wait_for(lambda: len(list(scratch.glob("*.lock"))) == 1, PATIENCE_S)
    [lock] = scratch.glob("*.lock")
    assert set(scratch.rglob("*")) <= {lock, lock.with_suffix("")}


def test_a_frozen_engine_costs_an_attempt(at: Desk, tmp_path: Path) -> None:
    before = at.counts()
    path = at.submit(scene(tmp_path / "a.mp4", shift=3))
    at.until_it_works(path)
    at.service.send("engine", signal.SIGSTOP)
    assert is_done(at.until_it_ends(path), attempts=2)
    counted = since(before, at.counts())
    assert counted["jobs:done"] == 1
    assert counted["failures:service:engine-died"] >= 1
    assert "no message and no processor time" in at.service.log.read_text()


def test_a_frozen_decoder_costs_an_attempt(at: Desk, tmp_path: Path) -> None:
    before = at.counts()
    paths = []
    # a decoder takes a moment: on a busy machine it may be over before it is seen
    while not (paths and freeze_a_decoder(at, paths[-1])):
        paths.append(at.submit(scene(tmp_path / "a.mp4", 24, shift=10 + len(paths))))
    assert is_done(at.until_it_ends(paths[-1]), attempts=2)
    counted = since(before, at.counts())
    assert counted["jobs:done"] == len(paths)
    assert counted["failures:service:unavailable"] >= 1
    assert at.service.pids("decoder") == []


def test_a_frozen_state_server_is_503_and_jobs_go_on(at: Desk, tmp_path: Path) -> None:
    before = at.counts()
    path = at.submit(scene(tmp_path / "a.mp4", shift=5))
    at.until_it_works(path)
    at.service.send("valkey", signal.SIGSTOP)
    try:
        for method, target in (("GET", path), ("DELETE", path), ("POST", "/v1/jobs")):
            answer = at.caller.once(method, target, **({"json": {"video_id": "0" * 64}} if method == "POST" else {}))
            assert answer is not None
            assert answer.status_code == 503
        alive = at.caller.once("GET", "/livez")
        assert alive is not None
        assert alive.status_code == 200
    finally:
        at.service.send("valkey", signal.SIGCONT)
    job = at.until_it_ends(path)
    # when it goes on, the server reads what it was sent meanwhile, also if the client got a 503 for it
    assert job["state"] in {"done", "canceled"}
    assert since(before, at.counts())[f"jobs:{job['state']}"] == 1
    assert at.results(path) == ({str(job["attempt"])} if job["state"] == "done" else set())


def test_a_frozen_api_serves_afterwards_what_came_meanwhile(at: Desk) -> None:
    at.service.send("api", signal.SIGSTOP)
    with ThreadPoolExecutor(20) as threads:
        waiting = [threads.submit(httpx.get, f"{at.service.url}/v1/models", timeout=PATIENCE_S) for _ in range(20)]
        try:
            wait_for(lambda: _connections(at.service.url) >= len(waiting), PATIENCE_S)
        finally:
            at.service.send("api", signal.SIGCONT)
        assert [each.result().status_code for each in waiting] == [200] * 20


@pytest.mark.parametrize(("drain_s", "attempt"), [(0, 2), (600, 1)], ids=["given back", "finished"])
def test_stopped_worker_gives_its_job_back_or_ends_it(drain_s: int, attempt: int, tmp_path: Path) -> None:
    # one attempt that failed would be the end of the job
    with serving(tmp_path / "data", drain_s=drain_s, max_attempts=1, lease_s=600) as service, desk(service) as at:
        path = at.submit(scene(tmp_path / "a.mp4"))
        at.until_it_works(path)
        if attempt == 2:  # so that it does not end before the signal comes
            service.send("engine", signal.SIGSTOP)
        stopped = service.send("worker", signal.SIGTERM)
        job = at.until_it_ends(path)
        assert (job["state"], job["attempt"]) == ("done", attempt)
        wait_for(lambda: stopped not in service.pids("worker"), PATIENCE_S)
        assert at.counts() == {"jobs:done": 1}
        assert at.results(path) == {str(attempt)}


def _connections(url: str) -> int:
    """Connections to the port of `url` that are made, whether or not they were accepted."""
    port = f":{int(url.rpartition(':')[2]):04X}"
    rows = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(there.endswith(port) and state == "01" for _, there, state in rows)

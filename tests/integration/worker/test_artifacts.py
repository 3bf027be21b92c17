"""Real Valkey, real workers, real children that draw, a fake engine: whatever happens to an overlay, the result stays."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from dualtrack.client.client import Client
from dualtrack.errors import Conflict
from evaluation.bench.meters.processes import children
from service.state import redis_keys
from tests.integration.api.api_service import RAW, clip, files_below, problem, running
from tests.integration.worker.test_worker import Bench
from tests.support.patience import PATIENCE_S, wait_for

SEEDS = itertools.count()


@dataclass
class Studio(Bench):
    """A bench with real videos."""

    stopped: list[int] = field(default_factory=list)

    def start(self, **settings: str) -> "subprocess.Popen[bytes]":
        """A worker whose children may be silent for longer than any test takes."""
        environment = {
            **os.environ,
            "DUALTRACK_REDIS_URL": self.api.redis_url,
            "DUALTRACK_DATA_DIR": str(self.folder),
            "DUALTRACK_MODEL_REPOSITORY": str(self.folder / "models"),
            "DUALTRACK_LEASE_S": "2",
            "DUALTRACK_LIMITS__WALL_S": "600",
            **settings,
        }
        command = [sys.executable, "-m", "tests.integration.worker.worker_process"]
        with (self.folder / f"worker{len(self.workers)}.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.workers.append(process)
        return process

    def post(self, **parameters: Any) -> str:
        """A job on a real video of its own; its id."""
        content = clip(self.folder / "clip.mp4", seed=next(SEEDS)).read_bytes()
        with self.api.http() as http:
            video = http.post("/v1/videos", content=content, headers=RAW).json()["id"]
            answer = http.post("/v1/jobs", json={"video_id": video, "parameters": parameters})
            return str(answer.json()["id"])

    def overlay(self, job_id: str) -> dict[str, Any]:
        """The overlay of a job as the API shows it; empty without one."""
        with self.api.http() as http:
            artifacts = http.get(f"/v1/jobs/{job_id}").json()["artifacts"]
            return dict(artifacts[0]) if artifacts else {}

    def until_overlay(self, job_id: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        wait_for(lambda: condition(self.overlay(job_id)))
        return self.overlay(job_id)

    def stopped_child(self, worker: "subprocess.Popen[bytes]", *before: int) -> int:
        """The child of a worker that draws, stopped in the middle, other than those `before`."""
        found: list[int] = []

        def drawing() -> bool:
            found[:] = [pid for pid in painters(worker) if pid not in before]
            return bool(found)

        wait_for(drawing)
        os.kill(found[0], signal.SIGSTOP)
        self.stopped.append(found[0])
        return found[0]

    def end(self) -> None:
        """End the workers, and children that were stopped before they could arrange to end with their worker."""
        for process in self.workers:
            process.kill()
            process.wait()
        for pid in self.stopped:
            if draws(pid):
                os.kill(pid, signal.SIGKILL)

    def drawn_by(self, job_id: str) -> set[str]:
        """Numbers of the attempts at the overlay of a job that have left files."""
        folder = self.folder / "blobs" / "artifacts" / f"job-{job_id}"
        return {Path(name).parent.name for name in files_below(folder)}


def painters(worker: "subprocess.Popen[bytes]") -> list[int]:
    """Children of a worker that draw."""
    return [pid for pid in children(worker.pid) if draws(pid)]


def draws(pid: int) -> bool:
    """Whether this process is a child that draws; not if it has ended."""
    try:
        return b"service.media.children.render" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def in_state(*states: str) -> Callable[[dict[str, Any]], bool]:
    return lambda overlay: overlay.get("state") in states


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Studio]:
    with running(folder) as api:
        made = Studio(api, folder)
        try:
            yield made
        finally:
            made.end()


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """Without a worker, for tests that end it."""
    with opened(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """With a worker, for tests that leave it as it is."""
    with opened(tmp_path_factory.mktemp("shared")) as made:
        made.start(DUALTRACK_LEASE_S=str(PATIENCE_S))
        yield made


@pytest.fixture
def http_of_shared(shared: Studio) -> Iterator[httpx.Client]:
    with shared.api.http() as client:
        yield client


@pytest.fixture
def http(studio: Studio) -> Iterator[httpx.Client]:
    with studio.api.http() as client:
        yield client


def check_result(http: httpx.Client, job_id: str) -> None:
    """The job is done, at its first attempt, and its result is there."""
    job = http.get(f"/v1/jobs/{job_id}").json()
    assert (job["state"], job["attempt"], job["error"]) == ("done", 1, None)
    assert http.get(f"/v1/jobs/{job_id}/result").json()["tubelets"] == []


def test_the_overlay_follows_the_job(shared: Studio, http_of_shared: httpx.Client) -> None:
    job_id = shared.post()
    overlay = shared.until_overlay(job_id, in_state("done", "failed"))
    assert (overlay["kind"], overlay["state"], overlay["attempt"], overlay["error"]) == ("overlay", "done", 1, None)
    file = http_of_shared.get(overlay["link"])
    assert file.headers["content-type"] == "video/mp4"
    assert len(file.content) == overlay["size_bytes"]
    assert shared.drawn_by(job_id) == {"1"}
    check_result(http_of_shared, job_id)
    series = shared.series()
    assert series['dualtrack_artifacts_ended_total{kind="overlay",state="done"}'] >= 1
    assert series['dualtrack_artifacts{state="waiting"}'] == 0


def test_a_silent_child_fails_the_overlay_and_not_the_job(studio: Studio, http: httpx.Client) -> None:
    worker = studio.start(DUALTRACK_LIMITS__WALL_S="3")
    job_id = studio.post()
    stopped: list[int] = []
    while studio.overlay(job_id).get("state") not in {"done", "failed"}:
        for pid in set(painters(worker)) - set(stopped):
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)
    overlay = studio.overlay(job_id)
    assert (overlay["state"], overlay["attempt"]) == ("failed", 3)
    assert overlay["error"]["code"] == "too-many-attempts"
    assert "the decoder got no processor time within 3 s" in overlay["error"]["detail"]
    answer = http.get(overlay["link"])
    body = problem(answer, 409, "artifact-failed")
    assert "got no processor time" in str(body["detail"])
    assert body["artifact"] == overlay
    assert "retry-after" not in answer.headers
    with Client(studio.api.url) as client, pytest.raises(Conflict) as raised:
        client.download(job_id, "overlay-mp4", studio.folder / "o.mp4")
    assert raised.value.code == "artifact-failed"
    check_result(http, job_id)
    assert studio.drawn_by(job_id) == set()
    # requested again, it is drawn; by a worker whose children have time to start
    worker.kill()
    worker.wait()
    studio.start()
    again = http.post(f"/v1/jobs/{job_id}/artifacts", json={"kind": "overlay"})
    assert (again.status_code, again.json()["error"]) == (202, None)
    assert studio.until_overlay(job_id, in_state("done", "failed"))["state"] == "done"
    assert http.get(overlay["link"]).status_code == 200


def test_a_child_that_is_killed_costs_an_attempt(shared: Studio, http_of_shared: httpx.Client) -> None:
    (worker,) = shared.workers
    job_id = shared.post()
    os.kill(shared.stopped_child(worker), signal.SIGKILL)
    overlay = shared.until_overlay(job_id, in_state("done", "failed"))
    assert (overlay["state"], overlay["attempt"]) == ("done", 2)
    check_result(http_of_shared, job_id)
    assert shared.drawn_by(job_id) == {"2"}


def test_a_video_that_can_not_be_drawn_on_fails_at_once(shared: Studio, http_of_shared: httpx.Client) -> None:
    (worker,) = shared.workers
    first = shared.post()
    held = shared.stopped_child(worker)
    job_id = shared.post()  # its overlay waits behind the one that is stopped
    shared.until_overlay(job_id, in_state("waiting"))
    (stored,) = (path for path in (shared.folder / "blobs/sha256").rglob(f"{shared.job(job_id).video_id}.*"))
    content = stored.read_bytes()
    stored.write_bytes(b"no video")
    os.kill(held, signal.SIGCONT)
    overlay = shared.until_overlay(job_id, in_state("done", "failed"))
    assert (overlay["state"], overlay["attempt"]) == ("failed", 1)
    assert overlay["error"]["code"] not in {"too-many-attempts", "internal"}
    check_result(http_of_shared, job_id)
    assert shared.until_overlay(first, in_state("done", "failed"))["state"] == "done"
    stored.write_bytes(content)
    http_of_shared.post(f"/v1/jobs/{job_id}/artifacts", json={"kind": "overlay"})
    overlay = shared.until_overlay(job_id, in_state("done", "failed"))
    assert (overlay["state"], overlay["attempt"]) == ("done", 2)


def test_jobs_do_not_wait_for_overlays(shared: Studio, http_of_shared: httpx.Client) -> None:
    (worker,) = shared.workers
    first = shared.post()
    held = shared.stopped_child(worker)
    second = shared.post()
    wait_for(lambda: shared.job(second).state == "done")
    assert shared.overlay(first)["state"] == "running"
    assert shared.overlay(second)["state"] == "waiting"
    answer = http_of_shared.get(f"/v1/jobs/{second}/result?format=overlay-mp4")
    assert problem(answer, 409, "not-ready")["artifact"] == shared.overlay(second)
    assert answer.headers["retry-after"]
    os.kill(held, signal.SIGCONT)
    for job_id in (first, second):
        assert shared.until_overlay(job_id, in_state("done", "failed"))["state"] == "done"


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_an_overlay_whose_worker_ends_is_finished_by_another(studio: Studio, http: httpx.Client, end: int) -> None:
    first = studio.start()
    job_id = studio.post()
    studio.stopped_child(first)
    first.send_signal(end)
    first.wait(PATIENCE_S)
    studio.start()
    overlay = studio.until_overlay(job_id, in_state("done", "failed"))
    assert (overlay["state"], overlay["attempt"]) == ("done", 2)
    check_result(http, job_id)
    assert studio.drawn_by(job_id) == {"2"}


def test_a_zombie_does_not_replace_the_file(studio: Studio, http: httpx.Client) -> None:
    first = studio.start()
    job_id = studio.post()
    child = studio.stopped_child(first)
    first.send_signal(signal.SIGSTOP)
    studio.start()
    overlay = studio.until_overlay(job_id, in_state("done", "failed"))
    assert (overlay["state"], overlay["attempt"]) == ("done", 2)
    file = http.get(overlay["link"]).content
    for pid in (child, first.pid):
        os.kill(pid, signal.SIGCONT)
    log = studio.folder / "worker0.log"
    wait_for(lambda: "artifact stopped, its file is dropped" in log.read_text())
    assert studio.overlay(job_id) == overlay
    assert http.get(overlay["link"]).content == file
    wait_for(lambda: studio.drawn_by(job_id) == {"2"})


def test_the_video_is_deleted_while_the_overlay_is_drawn(shared: Studio, http_of_shared: httpx.Client) -> None:
    (worker,) = shared.workers
    job_id = shared.post()
    shared.stopped_child(worker)
    assert http_of_shared.delete(f"/v1/videos/{shared.job(job_id).video_id}").status_code == 204
    problem(http_of_shared.get(f"/v1/jobs/{job_id}"), 410, "video-deleted")
    problem(http_of_shared.post(f"/v1/jobs/{job_id}/artifacts", json={"kind": "overlay"}), 410, "video-deleted")
    wait_for(lambda: not painters(worker))
    wait_for(lambda: not shared.drawn_by(job_id))
    assert not (shared.folder / "blobs/results" / job_id).exists()
    assert shared.api.act(lambda parts: parts.artifacts.counts()) == {"waiting": 0, "running": 0}
    # the worker goes on
    fine = shared.post()
    assert shared.until_overlay(fine, in_state("done", "failed"))["state"] == "done"


def test_the_video_has_expired_before_the_overlay_is_drawn(shared: Studio, http_of_shared: httpx.Client) -> None:
    (worker,) = shared.workers
    first = shared.post()
    held = shared.stopped_child(worker)
    job_id = shared.post()
    shared.until_overlay(job_id, in_state("waiting"))
    video_id = shared.job(job_id).video_id
    shared.api.act(lambda parts: parts.redis.delete(redis_keys.video(video_id)))
    os.kill(held, signal.SIGCONT)
    overlay = shared.until_overlay(job_id, in_state("done", "failed"))
    assert (overlay["state"], overlay["attempt"], overlay["error"]["code"]) == ("failed", 1, "video-deleted")
    check_result(http_of_shared, job_id)
    assert shared.until_overlay(first, in_state("done"))


def test_a_cancel_while_the_overlay_is_drawn_changes_nothing(shared: Studio, http_of_shared: httpx.Client) -> None:
    (worker,) = shared.workers
    job_id = shared.post()
    held = shared.stopped_child(worker)
    before = http_of_shared.get(f"/v1/jobs/{job_id}").json()
    assert http_of_shared.delete(f"/v1/jobs/{job_id}").json() == before
    os.kill(held, signal.SIGCONT)
    assert shared.until_overlay(job_id, in_state("done", "failed"))["state"] == "done"
    check_result(http_of_shared, job_id)


def test_an_overlay_is_requested_later(shared: Studio, http_of_shared: httpx.Client) -> None:
    job_id = shared.post(overlay=False)
    wait_for(lambda: shared.job(job_id).state == "done")
    assert shared.overlay(job_id) == {}
    problem(http_of_shared.get(f"/v1/jobs/{job_id}/result?format=overlay-mp4"), 404, "no-overlay")
    with Client(shared.api.url) as client:
        assert client.create_artifact(job_id).kind == "overlay"
        path = client.download(job_id, "overlay-mp4", shared.folder / "o.mp4", timeout_s=PATIENCE_S)
    assert path.stat().st_size == shared.overlay(job_id)["size_bytes"]
    assert http_of_shared.post(f"/v1/jobs/{job_id}/artifacts", json={"kind": "overlay"}).status_code == 200


def test_an_overlay_whose_file_is_gone_is_drawn_again(shared: Studio, http_of_shared: httpx.Client) -> None:
    job_id = shared.post()
    link = shared.until_overlay(job_id, in_state("done"))["link"]
    for path in (shared.folder / f"blobs/artifacts/job-{job_id}").rglob("overlay.mp4"):
        path.unlink()
    problem(http_of_shared.get(link), 410, "result-deleted")
    assert http_of_shared.post(f"/v1/jobs/{job_id}/artifacts", json={"kind": "overlay"}).status_code == 202
    shared.until_overlay(job_id, in_state("done"))
    assert http_of_shared.get(link).status_code == 200


def test_a_lost_delivery_is_made_up_for(studio: Studio) -> None:
    job_id = studio.post(overlay=False)
    worker = studio.start()
    wait_for(lambda: studio.job(job_id).state == "done")
    worker.kill()
    worker.wait()
    with studio.api.http() as http:
        http.post(f"/v1/jobs/{job_id}/artifacts", json={"kind": "overlay"})
    studio.api.act(lambda parts: parts.docket.clear())
    studio.api.act(lambda parts: parts.redis.delete(f"{redis_keys.DOCKET}:stream"))
    studio.start()
    studio.until_overlay(job_id, in_state("done"))


def test_redis_is_away_while_the_overlay_is_drawn(studio: Studio, http: httpx.Client) -> None:
    worker = studio.start()
    job_id = studio.post()
    held = studio.stopped_child(worker)
    studio.api.valkey.stop()
    os.kill(held, signal.SIGCONT)
    wait_for(lambda: not painters(worker))
    studio.api.valkey.start()
    overlay = studio.until_overlay(job_id, in_state("done", "failed"))
    assert overlay["state"] == "done"
    check_result(http, job_id)

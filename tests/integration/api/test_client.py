"""The Python client against a real API."""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from dualtrack.errors import Conflict, InvalidParameter, InvalidVideo, NotFound, Overloaded, Unauthorized, Unavailable
from service.cli.submit import run_job
from service.client.client import Client, Job
from service.state import redis_keys
from service.wiring import Parts
from tests.integration.api.api_service import Api, clip, finish, progress, running


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(tmp_path_factory.mktemp("client"), api_key="s3cret", max_queue=1) as api:
        yield api


@pytest.fixture
def client(api: Api) -> Iterator[Client]:
    with Client(api.url, api_key="s3cret", patience_s=0) as client:
        yield client


def test_submit_wait_result_overlay(api: Api, client: Client, tmp_path: Path) -> None:
    job = client.submit(clip(tmp_path / "a.mp4"), th_det=0.3)
    timers = [
        threading.Timer(0.3, lambda: api.act(partial(progress, job_id=job.id, done=2))),
        threading.Timer(0.8, lambda: api.act(partial(finish, job_id=job.id))),
    ]
    for timer in timers:
        timer.start()
    seen: list[Job] = []
    done = client.wait(job, seen.append, timeout_s=20)
    for timer in timers:
        timer.join()
    assert done.state == "done"
    assert [each.progress.done for each in seen if each.progress and each.state == "running"][-1] == 2
    assert client.result(job)["tubelets"] == []
    assert client.result(job.id, "ytvis") == []
    assert client.overlay(job, tmp_path / "o.mp4").read_bytes() == bytes(range(100))


def test_submit_writes_what_segment_writes(api: Api, client: Client, tmp_path: Path) -> None:
    async def finish_the_next(parts: Parts) -> None:
        _, job_id, _ = await parts.redis.bzpopmin(redis_keys.QUEUED, timeout=2.5)
        await finish(parts, job_id)

    worker = threading.Thread(target=api.act, args=(finish_the_next,))
    worker.start()
    run_job(client, clip(tmp_path / "a.mp4", seed=2), tmp_path / "out", {})
    worker.join()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"tubelets.json", "ytvis.json", "overlay.mp4"}


def test_errors_are_ours(api: Api, client: Client, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(InvalidVideo):
        client.submit(text)
    path = clip(tmp_path / "a.mp4", seed=1)
    with pytest.raises(InvalidParameter, match="th_nothing"):
        client.submit(path, th_nothing=1)
    with pytest.raises(NotFound):
        client.job("0" * 32)
    job = client.submit(path)
    with pytest.raises(Conflict):
        client.result(job)
    with pytest.raises(Conflict):
        client.overlay(job, tmp_path / "o.mp4")
    with pytest.raises(Overloaded):
        client.submit(path)
    with pytest.raises(Unavailable, match="not ended"):
        client.wait(job, timeout_s=0.2)
    assert client.cancel(job).state == "canceled"
    with Client(api.url, patience_s=0) as stranger, pytest.raises(Unauthorized):
        stranger.models()
    with Client("http://127.0.0.1:9", patience_s=0) as nowhere, pytest.raises(Unavailable):
        nowhere.models()

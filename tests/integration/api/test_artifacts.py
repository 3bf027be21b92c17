"""Artifacts over HTTP: shown with the job, requested, waited for, refused."""

import asyncio
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.state import redis_keys
from service.wiring import Parts
from tests.integration.api.api_service import RAW, Api, begin, clip, draw, fail, finish, problem, running

OVERLAY = {"kind": "overlay"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(tmp_path_factory.mktemp("artifacts")) as api:
        yield api


@pytest.fixture
def http(api: Api) -> Iterator[httpx.Client]:
    with api.http() as client:
        yield client


@pytest.fixture(scope="module")
def video_id(api: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    content = clip(tmp_path_factory.mktemp("video") / "a.mp4").read_bytes()
    with api.http() as http:
        return str(http.post("/v1/videos", content=content, headers=RAW).json()["id"])


def create(http: httpx.Client, video_id: str, **parameters: Any) -> str:
    answer = http.post("/v1/jobs", json={"video_id": video_id, "parameters": parameters})
    assert answer.json()["artifacts"] == []
    return str(answer.json()["id"])


async def name_of(parts: Parts, job_id: str) -> str:
    (artifact,) = await parts.artifacts.of(f"job:{job_id}")
    return artifact.name


def test_a_job_shows_its_overlay_from_the_commit_on(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id, overlay_min_score=0.5)
    api.act(partial(finish, job_id=job_id, drawn=False))
    answer = http.get(f"/v1/jobs/{job_id}")
    (overlay,) = answer.json()["artifacts"]
    assert (overlay["kind"], overlay["state"], overlay["attempt"]) == ("overlay", "waiting", 0)
    assert answer.json()["state"] == "done"
    assert answer.headers["retry-after"]
    pending = http.get(overlay["link"])
    body = problem(pending, 409, "not-ready")
    assert (body["artifact"], pending.headers["retry-after"]) == (overlay, "1")
    name = api.act(partial(name_of, job_id=job_id))
    assert api.act(lambda parts: parts.artifacts.get(name)).options == {"min_score": 0.5}
    api.act(partial(draw, name=name))
    done = http.get(f"/v1/jobs/{job_id}")
    assert done.json()["artifacts"][0]["size_bytes"] == 100
    assert "retry-after" not in done.headers
    assert http.get(overlay["link"]).content == bytes(range(100))


def test_a_long_poll_with_a_version_follows_the_overlay(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id)
    api.act(partial(finish, job_id=job_id, drawn=False))
    version = http.get(f"/v1/jobs/{job_id}?wait=60").json()["version"]  # an ended job is returned at once
    name = api.act(partial(name_of, job_id=job_id))
    timer = threading.Timer(0.3, lambda: api.act(partial(draw, name=name)))
    timer.start()
    while (job := http.get(f"/v1/jobs/{job_id}?wait=60&version={version}").json())["artifacts"][0]["state"] != "done":
        assert job["version"] > version
        version = job["version"]
    timer.join()
    # nothing is left to wait for
    version = http.get(f"/v1/jobs/{job_id}").json()["version"]
    assert http.get(f"/v1/jobs/{job_id}?wait=60&version={version}").json()["version"] == version


def test_a_result_is_waited_for(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id)
    url = f"/v1/jobs/{job_id}/result?format=overlay-mp4"
    problem(http.get(f"{url}&wait=0.1"), 409, "not-ready")
    problem(http.get(f"{url}&wait=61"), 422, "invalid-parameter")

    async def work(parts: Parts) -> None:
        await finish(parts, job_id, drawn=False)
        await asyncio.sleep(0.3)
        await draw(parts, await name_of(parts, job_id))

    worker = threading.Thread(target=api.act, args=(work,))
    worker.start()
    assert http.get(f"/v1/jobs/{job_id}/result?wait=60").json()["tubelets"] == []
    assert http.get(f"{url}&wait=60").content == bytes(range(100))
    worker.join()


def test_requests_for_an_overlay(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id, overlay=False)
    api.act(partial(finish, job_id=job_id))
    url = f"/v1/jobs/{job_id}/artifacts"
    assert http.get(f"/v1/jobs/{job_id}").json()["artifacts"] == []
    assert "POST" in str(problem(http.get(f"/v1/jobs/{job_id}/result?format=overlay-mp4"), 404, "no-overlay")["detail"])
    first, second = (http.post(url, json=OVERLAY) for _ in range(2))
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert (first.status_code, first.json()["state"]) == (202, "waiting")
    assert first.headers["location"] == first.json()["link"] == f"/v1/jobs/{job_id}/result?format=overlay-mp4"
    assert first.headers["retry-after"]
    api.act(partial(draw, name=api.act(partial(name_of, job_id=job_id))))
    third = http.post(url, json=OVERLAY)
    assert (third.status_code, third.json()["state"]) == (200, "done")
    assert http.get(third.headers["location"]).status_code == 200


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        pytest.param(b'{"kind": "zip"}', "application/json", 422, "invalid-parameter", id="unknown-kind"),
        pytest.param(b'{"kind": "overlay", "x": 1}', "application/json", 422, "invalid-parameter", id="unknown-member"),
        pytest.param(b"{}", "application/json", 422, "invalid-parameter", id="no-kind"),
        pytest.param(b"{", "application/json", 400, "malformed-json", id="no-json"),
        pytest.param(b"{}", "text/plain", 415, "unsupported-media-type", id="another-type"),
        pytest.param(b" " * 70_000, "application/json", 413, "body-too-large", id="too-large"),
    ],
)
def test_wrong_requests(http: httpx.Client, body: bytes, kind: str, status: int, code: str) -> None:
    answer = http.post("/v1/jobs/x/artifacts", content=body, headers={"Content-Type": kind})
    problem(answer, status, code)


def test_of_jobs_without_a_result(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id)
    url = f"/v1/jobs/{job_id}/artifacts"
    answer = http.post(url, json=OVERLAY)
    problem(answer, 409, "not-ready")
    assert answer.headers["retry-after"]
    api.act(partial(fail, job_id=job_id))
    problem(http.post(url, json=OVERLAY), 409, "job-failed")
    problem(http.post("/v1/jobs/unknown/artifacts", json=OVERLAY), 404, "unknown-job")


def test_too_many_requests(http: httpx.Client, video_id: str, tmp_path: Path) -> None:
    with running(tmp_path, max_queue=1) as small, small.http() as client:
        content = clip(tmp_path / "a.mp4").read_bytes()
        video = client.post("/v1/videos", content=content, headers=RAW).json()["id"]
        answers = []
        for _ in range(2):
            job_id = create(client, video, overlay=False)
            small.act(partial(finish, job_id=job_id))
            answers.append(client.post(f"/v1/jobs/{job_id}/artifacts", json=OVERLAY))
        assert answers[0].status_code == 202
        problem(answers[1], 429, "queue-full")
        assert answers[1].headers["retry-after"]


def test_an_overlay_that_failed(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id)
    api.act(partial(finish, job_id=job_id, drawn=False))
    name = api.act(partial(name_of, job_id=job_id))

    async def fail_it(parts: Parts) -> None:
        await parts.artifacts.begin(name)
        await parts.artifacts.fail(name, 1, {"code": "decode-failed", "detail": "frame 3 is broken"})

    api.act(fail_it)
    answer = http.get(f"/v1/jobs/{job_id}/result?format=overlay-mp4")
    body = problem(answer, 409, "artifact-failed")
    assert "decode-failed: frame 3 is broken" in str(body["detail"])
    assert f"POST /v1/jobs/{job_id}/artifacts" in str(body["detail"])
    assert body["artifact"] == http.get(f"/v1/jobs/{job_id}").json()["artifacts"][0]
    assert http.get(f"/v1/jobs/{job_id}/result").status_code == 200
    assert http.post(f"/v1/jobs/{job_id}/artifacts", json=OVERLAY).json()["state"] == "waiting"


def test_the_overlay_of_an_earlier_version_is_served(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id)

    async def finish_as_then(parts: Parts) -> None:
        job = await begin(parts, job_id)
        folder = parts.blobs.result_folder(job_id, job.attempt)
        folder.mkdir(parents=True)
        (folder / "overlay.mp4").write_bytes(b"overlay")
        await parts.jobs.commit(job_id, job.attempt, str(folder.relative_to(parts.blobs.root)))

    api.act(finish_as_then)
    assert http.get(f"/v1/jobs/{job_id}/result?format=overlay-mp4").content == b"overlay"
    assert http.get(f"/v1/jobs/{job_id}").json()["artifacts"] == []


def test_an_artifact_of_a_newer_version_is_no_fault_of_the_job(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id)
    api.act(partial(finish, job_id=job_id))
    name = api.act(partial(name_of, job_id=job_id))
    api.act(lambda parts: parts.redis.hset(redis_keys.artifact(name), "format", "2"))
    problem(http.get(f"/v1/jobs/{job_id}/result?format=overlay-mp4"), 503, "newer-format")
    assert http.get(f"/v1/jobs/{job_id}/result").status_code == 200

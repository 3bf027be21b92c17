"""The edge itself: unknown paths, keys, limits, health, the page, and a state server that goes away."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from tests.integration.api.api_service import RAW, Api, clip, problem, running, wait_for


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(tmp_path_factory.mktemp("edge"), api_key="s3cret", max_queue=2) as api:
        yield api


@pytest.fixture
def http(api: Api) -> Iterator[httpx.Client]:
    with api.http(headers={"Authorization": "Bearer s3cret"}) as client:
        yield client


def test_unknown_path(http: httpx.Client) -> None:
    problem(http.get("/v1/nothing"), 404, "not-found")
    problem(http.get("/v1/../../etc/passwd"), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/videos", "POST"),
        ("DELETE", "/v1/jobs", "POST"),
        ("POST", "/v1/jobs/x", "GET, HEAD, DELETE"),
        ("PATCH", f"/v1/videos/{'0' * 64}", "GET, HEAD, DELETE"),
        ("POST", "/v1/jobs/x/result", "GET, HEAD"),
        ("TRACE", "/livez", "GET, HEAD"),
    ],
)
def test_wrong_method_names_the_right_ones(http: httpx.Client, method: str, path: str, allow: str) -> None:
    answer = http.request(method, path)
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic s3cret", "s3cret", "Bearer", "Bearer s3cret2"])
def test_wrong_key(api: Api, header: str | None) -> None:
    with api.http(headers={"Authorization": header} if header else {}) as http:
        for answer in (http.get("/v1/models"), http.post("/v1/videos", content=b"x", headers=RAW)):
            problem(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert http.get("/livez").status_code == 200
        assert http.get("/").status_code == 200


def test_models(http: httpx.Client) -> None:
    body = http.get("/v1/models").json()
    assert body["classes"][0] == {"name": "person", "vocabulary": "coco"}
    assert (body["architecture"], body["release"]) == ("lite", "lite-1")


def test_request_id_comes_back(http: httpx.Client) -> None:
    assert http.get("/livez", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    forged = http.get("/v1/nothing", headers={"X-Request-ID": "a b{}"})
    assert forged.headers["x-request-id"] != "a b{}"
    assert problem(forged, 404)["request_id"] == forged.headers["x-request-id"]


def test_page_needs_nothing_from_elsewhere(http: httpx.Client) -> None:
    page = http.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http://" not in page.text
    assert "https://" not in page.text


def test_metrics_count_requests_by_route(http: httpx.Client) -> None:
    http.get("/v1/jobs/nonsense")
    text = http.get("/metrics").text
    assert 'dualtrack_http_requests_total{method="GET",route="/v1/jobs/{job_id}",status="404"}' in text
    assert "dualtrack_state_up 1.0" in text


def test_openapi_has_examples_and_problems(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    create = document["paths"]["/v1/jobs"]["post"]
    assert create["requestBody"]["content"]["application/json"]["examples"]
    assert list(create["responses"]["429"]["content"]) == ["application/problem+json"]
    assert "th_det" in document["components"]["schemas"]["JobParameters"]["properties"]


def test_queue_full(http: httpx.Client, tmp_path: Path) -> None:
    body = {"video_id": upload(http, tmp_path)}
    jobs = [http.post("/v1/jobs", json=body) for _ in range(3)]
    assert [answer.status_code for answer in jobs] == [202, 202, 429]
    problem(jobs[2], 429, "queue-full")
    assert int(jobs[2].headers["retry-after"]) >= 1
    for answer in jobs[:2]:
        http.delete(answer.headers["location"])


def test_state_server_gone_and_back(api: Api, http: httpx.Client, tmp_path: Path) -> None:
    video_id = upload(http, tmp_path)
    job = http.post("/v1/jobs", json={"video_id": video_id})
    api.valkey.stop()
    try:
        for answer in (
            http.get(job.headers["location"]),
            http.get(job.headers["location"] + "?wait=1"),
            http.post("/v1/jobs", json={"video_id": video_id}),
            http.get(f"/v1/videos/{video_id}"),
            http.get("/readyz"),
        ):
            problem(answer, 503)
            assert int(answer.headers["retry-after"]) >= 1
        assert http.get("/livez").status_code == 200
        assert "dualtrack_state_up 0.0" in http.get("/metrics").text
    finally:
        api.valkey.start()
    wait_for(lambda: http.get(job.headers["location"]).status_code == 200)
    assert http.get(job.headers["location"]).json()["state"] == "queued"


def test_state_server_full(api: Api, http: httpx.Client, tmp_path: Path) -> None:
    video_id = upload(http, tmp_path)
    with Redis(unix_socket_path=str(api.valkey.socket)) as redis:
        redis.config_set("maxmemory", "1")
        try:
            problem(http.post("/v1/jobs", json={"video_id": video_id}), 503, "state-full")
        finally:
            redis.config_set("maxmemory", "0")
    assert http.post("/v1/jobs", json={"video_id": video_id}).status_code == 202


def test_disk_full(tmp_path: Path) -> None:
    with running(tmp_path / "full", min_free_bytes=1 << 60) as api, api.http() as http:
        answer = http.post("/v1/videos", content=clip(tmp_path / "a.mp4").read_bytes(), headers=RAW)
        problem(answer, 507, "disk-full")
        assert int(answer.headers["retry-after"]) >= 1
        assert "disk" in problem(http.get("/readyz"), 503, "not-ready")["checks"]
        assert 'route="/v1/videos",status="507"' in http.get("/metrics").text


def upload(http: httpx.Client, folder: Path) -> str:
    return str(http.post("/v1/videos", content=clip(folder / "a.mp4").read_bytes(), headers=RAW).json()["id"])

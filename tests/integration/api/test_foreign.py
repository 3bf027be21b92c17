"""Names, origins and proxies: which requests of other sites are refused, and which addresses answers name."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.api.routes import models
from tests.integration.api.api_service import RAW, Api, clip, finish, problem, running
from tests.support.patience import get

ORIGIN = "https://pages.example"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(tmp_path_factory.mktemp("foreign"), allowed_hosts=("api.example",), cors_origins=(ORIGIN,)) as api:
        yield api


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("proxied")
    with running(folder, root_path="/tubes", trusted_proxies=("127.0.0.1",), api_key="k") as api:
        yield api


@pytest.fixture(scope="module")
def job(proxied: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    video = clip(tmp_path_factory.mktemp("clip") / "a.mp4").read_bytes()
    with proxied.http(headers=AUTHORIZATION) as http:
        answer = http.post("/v1/videos", content=video, headers=RAW)
        created = http.post("/v1/jobs", json={"video_id": answer.json()["id"]})
        assert answer.headers["location"] == f"/tubes/v1/videos/{answer.json()['id']}"
    job_id = str(created.json()["id"])
    assert created.headers["location"] == f"/tubes/v1/jobs/{job_id}"
    proxied.act(lambda parts: finish(parts, job_id))
    return job_id


AUTHORIZATION = {"Authorization": "Bearer k"}


@pytest.mark.parametrize(
    ("host", "accepted"),
    [
        ("127.0.0.1:8080", True),
        ("[::1]:8080", True),
        ("203.0.113.7", True),
        ("localhost:8080", True),
        ("Dualtrack.LOCALHOST.", True),
        ("api.example", True),
        ("API.example:443", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("api:8080", True),
        ("x.localhost.evil.example", False),
        ("api.example.evil.example", False),
        ("a name", False),
        ("[[[:::", False),
    ],
)
def test_a_foreign_name_is_refused(api: Api, host: str, accepted: bool) -> None:
    with api.http(headers={"Host": host}) as http:
        for path in ("/livez", "/v1/models", "/"):
            answer = http.get(path)
            if accepted:
                assert answer.status_code == 200
            else:
                problem(answer, 421, "misdirected-request")


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        ({}, True),
        ({"Origin": "http://api.example"}, True),
        ({"Origin": "https://api.example"}, True),
        ({"Origin": ORIGIN}, True),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "https://api.example:8443"}, False),
        ({"Origin": "https://api.example.evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://["}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
    ],
)
def test_another_site_changes_nothing(api: Api, headers: dict[str, str], accepted: bool) -> None:
    with api.http(headers={"Host": "api.example", **headers}) as http:
        for answer in (http.post("/v1/jobs", content=b"x=1", headers=FORM), http.delete("/v1/jobs/x")):
            if accepted:
                assert answer.status_code in {404, 415}
            else:
                problem(answer, 403, "foreign-origin")
        assert http.get("/v1/models").status_code == 200


async def broken(_: object) -> None:
    raise OverflowError


def test_pages_of_the_named_origins_may_read_answers(api: Api) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    with api.http() as http:
        allowed = http.options("/v1/jobs", headers={**asked, "Access-Control-Request-Headers": "Authorization"})
        assert allowed.headers["access-control-allow-origin"] == ORIGIN
        answer = http.get("/v1/jobs/x", headers={"Origin": ORIGIN})
        assert problem(answer, 404, "unknown-job")
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(models, "current_release", broken)
            fault = http.get("/v1/models", headers={"Origin": ORIGIN})
        assert problem(fault, 500, "internal")
        assert fault.headers["access-control-allow-origin"] == ORIGIN
        other = http.get("/v1/jobs/x", headers={"Origin": "http://evil.example"})
        assert "access-control-allow-origin" not in other.headers
        problem(http.options("/v1/jobs", headers={**asked, "Origin": "http://evil.example"}), 400)


@pytest.mark.parametrize("path", ["/v1/jobs/", "/livez/", "/tubes/livez/", "/tubes"])
def test_a_redirect_stays_here(proxied: Api, path: str) -> None:
    answer = get(f"{proxied.url}{path}", headers={"Host": "evil.example"}, follow_redirects=False)
    assert answer.status_code == 307
    wanted = "/tubes/" if path == "/tubes" else "/tubes/" + path.removeprefix("/tubes/").strip("/")
    assert answer.headers["location"] == wanted


@pytest.mark.parametrize(
    ("headers", "prefix"),
    [
        ({}, "/tubes"),
        ({"X-Forwarded-Prefix": "/other/"}, "/other"),
        ({"X-Forwarded-Prefix": "//evil.example"}, "/tubes"),
        ({"X-Forwarded-Prefix": "/a b"}, "/tubes"),
    ],
)
def test_links_begin_with_the_prefix(proxied: Api, job: str, headers: dict[str, str], prefix: str) -> None:
    with proxied.http(headers={**AUTHORIZATION, **headers}) as http:
        for path in (f"/v1/jobs/{job}", f"{prefix}/v1/jobs/{job}"):
            links = http.get(path).json()["links"]
            assert links["result"] == f"{prefix}/v1/jobs/{job}/result"
        assert http.get(links["result"]).status_code == 200
        assert http.get("/openapi.json").json()["servers"][0]["url"] == prefix
        for page in ("/", f"{prefix}/", f"{prefix}/docs"):
            assert not [word for word in ('"/v1', "`/v1", 'src="/', 'href="/') if word in http.get(page).text]
        assert problem(http.get("/v1/jobs/x"), 404)["instance"] == f"{prefix}/v1/jobs/x"


def test_only_a_trusted_proxy_is_believed(api: Api) -> None:
    forwarded = {"X-Forwarded-Prefix": "/other", "X-Forwarded-Host": "evil.example"}
    with api.http(headers=forwarded) as http:
        assert problem(http.get("/v1/jobs/x"), 404)["instance"] == "/v1/jobs/x"


@pytest.mark.parametrize(
    "path", ["/", "/livez", "/openapi.json", "/docs", "/metrics", "/v1/models", "{job}", "{overlay}"]
)
def test_head_is_get_without_a_body(proxied: Api, job: str, path: str) -> None:
    chosen = path.format(job=f"/v1/jobs/{job}/result", overlay=f"/v1/jobs/{job}/result?format=overlay-mp4")
    with proxied.http(headers={**AUTHORIZATION, "Accept-Encoding": "identity"}) as http:
        head, get = http.head(chosen), http.get(chosen)
        assert (head.status_code, head.content) == (200, b"")
        own = {"date", "x-request-id", "transfer-encoding", "content-length"}
        assert {**head.headers, **dict.fromkeys(own)} == {**get.headers, **dict.fromkeys(own)}
        assert http.head("/v1/jobs/x").status_code == 404
        assert "HEAD" in http.put(chosen).headers["allow"]


@pytest.mark.parametrize(
    ("accepted", "path", "compressed"),
    [
        ("gzip", "/openapi.json", True),
        ("br, gzip;q=0.5", "/openapi.json", True),
        ("gzip", "/v1/jobs/{job}/result", True),
        ("gzip", "/", True),
        ("identity", "/openapi.json", False),
        ("gzip;q=0", "/openapi.json", False),
        ("gzip", "/livez", False),
        ("gzip", "/v1/jobs/{job}/result?format=overlay-mp4", False),
    ],
)
def test_long_text_is_compressed(proxied: Api, job: str, accepted: str, path: str, compressed: bool) -> None:
    chosen = path.format(job=job)
    with proxied.http(headers=AUTHORIZATION) as http:
        plain = http.get(chosen, headers={"Accept-Encoding": "identity"})
        with http.stream("GET", chosen, headers={"Accept-Encoding": accepted}) as answer:
            raw = b"".join(answer.iter_raw())
        assert (answer.headers.get("content-encoding") == "gzip") == compressed
        assert (gzip.decompress(raw) if compressed else raw) == plain.content
        if (tag := answer.headers.get("etag")) and "result" in path:
            again = http.get(chosen, headers={"If-None-Match": tag, "Accept-Encoding": accepted})
            assert tag.startswith("W/") == compressed
            assert again.status_code == 304


def test_part_of_a_file_is_never_compressed(proxied: Api, job: str) -> None:
    with proxied.http(headers={**AUTHORIZATION, "Accept-Encoding": "gzip", "Range": "bytes=0-0"}) as http:
        answer = http.get(f"/v1/jobs/{job}/result?format=ytvis")
        assert (answer.status_code, answer.content) == (206, b"[")
        assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("wrong", [{"th_det": "0.3"}, {"th_det": True}, {"max_seeds": "3"}, {"max_seeds": True}, {"overlay": 1}, {"overlay": "true"}, {"overlay_min_score": False}])  # fmt: skip
def test_a_text_is_no_number_and_a_truth_value_neither(api: Api, tmp_path: Path, wrong: dict[str, Any]) -> None:
    [name] = wrong
    with api.http() as http:
        video = clip(tmp_path / "a.mp4").read_bytes()
        body = {"video_id": http.post("/v1/videos", content=video, headers=RAW).json()["id"], "parameters": wrong}
        [error] = problem(http.post("/v1/jobs", json=body), 422, "invalid-parameter")["errors"]  # type: ignore[misc]
        assert error["pointer"] == f"#/parameters/{name}"  # type: ignore[index]
        right = {"th_det": 1, "max_seeds": 3.0, "overlay": False}
        assert http.post("/v1/jobs", json={**body, "parameters": right}).status_code == 202


def test_thousands_of_wrong_fields_get_a_short_answer(api: Api) -> None:
    wrong = {f"field{number}": "x" for number in range(3000)}
    with api.http() as http:
        answer = http.post("/v1/jobs", content=json.dumps({"video_id": "0" * 64, "parameters": wrong}))
        problem(answer, 415)
        headers = {"Content-Type": "application/json"}
        answer = http.post("/v1/jobs", content=json.dumps({"video_id": "0" * 64, "parameters": wrong}), headers=headers)
        found = problem(answer, 422, "invalid-parameter")
        assert len(found["errors"]) == 20  # type: ignore[arg-type]
        assert "2999 more" in str(found["detail"])
        long = http.post("/v1/jobs", json={"x" * 60000: 1})
        assert len(long.content) < 5000

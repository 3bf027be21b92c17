"""Jobs over HTTP, from the request to the result, and every way in which that can go wrong."""

import hashlib
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import structlog

from dualtrack.formats.table import BEFORE_SCHEMA_1
from dualtrack.result.schema import result_schema
from service.wiring import Parts
from tests.integration.api.api_service import RAW, Api, be_unsure, clip, fail, finish, problem, progress, running
from tests.support.results import STORED


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(tmp_path_factory.mktemp("jobs"), max_queue=100) as api:
        yield api


@pytest.fixture
def http(api: Api) -> Iterator[httpx.Client]:
    with api.http() as client:
        yield client


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return clip(tmp_path_factory.mktemp("clip") / "a.mp4").read_bytes()


@pytest.fixture
def video_id(http: httpx.Client, content: bytes) -> str:
    return str(http.post("/v1/videos", content=content, headers=RAW).json()["id"])


def create(http: httpx.Client, video_id: str, **parameters: Any) -> str:
    answer = http.post("/v1/jobs", json={"video_id": video_id, "parameters": parameters})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_job_from_json(http: httpx.Client, video_id: str) -> None:
    answer = http.post("/v1/jobs", json={"video_id": video_id, "parameters": {"th_det": 0.3}})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}" == job["links"]["self"]
    assert int(answer.headers["retry-after"]) >= 1
    assert (job["state"], job["video_id"], job["parameters"]["th_det"]) == ("queued", video_id, 0.3)
    assert http.get(answer.headers["location"]).json()["id"] == job["id"]


def test_job_from_one_shot_form(http: httpx.Client, content: bytes, video_id: str) -> None:
    answer = http.post("/v1/jobs", data={"parameters": '{"overlay": false}'}, files={"file": ("a.mp4", content)})
    assert answer.status_code == 202, answer.text
    assert (answer.json()["video_id"], answer.json()["parameters"]["overlay"]) == (video_id, False)
    assert http.post("/v1/jobs", files={"file": ("a.mp4", content)}).status_code == 202


BOX = {"image_id": 3, "category_id": 1, "score": 0.5, "bbox": [1, 2, 30, 20]}


def post_detections(http: httpx.Client, parts: dict[str, str], detections: object, **files: bytes) -> httpx.Response:
    text = httpx.Request("POST", "http://x", json=detections).content
    return http.post("/v1/jobs", data=parts, files={"detections": text, **files})


def test_detections_come_with_a_form_and_are_known_by_their_hash(
    http: httpx.Client, content: bytes, video_id: str
) -> None:
    one_shot = post_detections(http, {}, [BOX], file=content)
    assert one_shot.status_code == 202, one_shot.text
    stored = post_detections(http, {"video_id": video_id, "parameters": '{"overlay": false}'}, [BOX])
    assert stored.status_code == 202, stored.text
    sha256 = stored.json()["detections"]
    assert one_shot.json()["detections"] == sha256
    again = http.post("/v1/jobs", json={"video_id": video_id, "detections": sha256, "parameters": {"th_seq": 0.9}})
    assert again.json()["detections"] == sha256
    assert http.get(again.json()["links"]["self"]).json()["detections"] == sha256
    assert http.post("/v1/jobs", json={"video_id": video_id}).json()["detections"] is None


def test_bad_detections_are_named(http: httpx.Client, video_id: str) -> None:
    answer = post_detections(http, {"video_id": video_id}, [BOX, {**BOX, "image_id": 4}])
    body = problem(answer, 422, "invalid-detections")
    assert body["detail"] == "detections: record 1: image_id: expected a frame from 0 to 3, got 4"
    category = post_detections(http, {"video_id": video_id}, [{**BOX, "category_id": 3}])
    assert "record 0: category_id: expected one of the 2" in str(problem(category, 422)["detail"])
    text = http.post("/v1/jobs", data={"video_id": video_id}, files={"detections": b"\xff"})
    problem(text, 422, "invalid-detections")


def test_detections_of_nothing_and_of_another_kind(http: httpx.Client, content: bytes, video_id: str) -> None:
    problem(http.post("/v1/jobs", json={"video_id": video_id, "detections": "0" * 64}), 404, "unknown-detections")
    problem(http.post("/v1/jobs", json={"video_id": video_id, "detections": video_id}), 404, "unknown-detections")
    problem(post_detections(http, {"video_id": "0" * 64}, [BOX]), 404, "unknown-video")
    problem(post_detections(http, {"video_id": "x"}, [BOX]), 422, "invalid-parameter")
    problem(post_detections(http, {}, [BOX]), 422, "missing-part")
    problem(post_detections(http, {"video_id": video_id}, [BOX], file=content), 422, "unexpected-part")


def test_detections_are_part_of_what_an_idempotency_key_means(http: httpx.Client, video_id: str) -> None:
    key = {"Idempotency-Key": "with-detections"}
    sha256 = post_detections(http, {"video_id": video_id}, [BOX]).json()["detections"]
    body = {"video_id": video_id, "detections": sha256}
    first, again = (http.post("/v1/jobs", json=body, headers=key) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    problem(http.post("/v1/jobs", json={"video_id": video_id}, headers=key), 422, "idempotency-key-reused")


def test_detections_over_the_limit(tmp_path: Path, content: bytes) -> None:
    with running(tmp_path, max_detections_bytes=100) as api, api.http() as http:
        body = problem(post_detections(http, {}, [BOX, BOX], file=content), 413, "body-too-large")
        assert "detections: at most 100 bytes" in str(body["detail"])


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"th_nothing": 0.5}, "#/parameters/th_nothing"),
        ({"th_det": 1.5}, "#/parameters/th_det"),
        ({"th_seq": -0.1}, "#/parameters/th_seq"),
        ({"th_iou": "high"}, "#/parameters/th_iou"),
        ({"max_seeds": 0}, "#/parameters/max_seeds"),
        ({"a/b~c": 1}, "#/parameters/a~1b~0c"),
        ({"lost_enter": 0.6, "lost_leave": 0.4}, "#/parameters/lost_enter"),
        ({"lost_leave": 0.1}, "#/parameters/lost_leave"),
        ({"segment_frames": 20, "chunk_frames": 20}, "#/parameters/segment_frames"),
        ({"categories": "lvis"}, "#/parameters/categories"),
        ({"categories": [{"id": 1}]}, "#/parameters/categories"),
    ],
)
def test_wrong_parameter_is_named(
    http: httpx.Client, video_id: str, content: bytes, parameters: dict[str, Any], pointer: str
) -> None:
    answer = http.post("/v1/jobs", json={"video_id": video_id, "parameters": parameters})
    assert problem(answer, 422, "invalid-parameter")["errors"][0]["pointer"] == pointer  # type: ignore[index]
    text = httpx.Request("POST", "http://x", json=parameters).content.decode()
    form = http.post("/v1/jobs", data={"parameters": text}, files={"file": ("a.mp4", content)})
    assert problem(form, 422, "invalid-parameter")["errors"][0]["pointer"] == pointer  # type: ignore[index]


def test_an_unknown_parameter_is_answered_with_the_nearest(http: httpx.Client, video_id: str) -> None:
    answer = http.post("/v1/jobs", json={"video_id": video_id, "parameters": {"th_sq": 0.5}})
    [error] = problem(answer, 422, "invalid-parameter")["errors"]  # type: ignore[misc]
    expected = {"pointer": "#/parameters/th_sq", "detail": "unknown parameter 'th_sq'; did you mean 'th_seq'?"}
    assert error == expected


def test_old_names_are_taken_with_a_warning(http: httpx.Client, video_id: str, content: bytes) -> None:
    old = {"segment_frames": 20, "segment_overlap": 4}
    answer = http.post("/v1/jobs", json={"video_id": video_id, "parameters": old})
    form = http.post("/v1/jobs", data={"parameters": json.dumps(old)}, files={"file": ("a.mp4", content)})
    for each in (answer, form):
        assert each.status_code == 202, each.text
        given = each.json()["parameters"]
        assert (given["chunk_frames"], given["chunk_overlap"]) == (20, 4)
        assert not given.keys() & old.keys()
        assert each.headers["deprecation"] == f"@{int(datetime(2026, 12, 1, tzinfo=UTC).timestamp())}"
        assert each.headers["warning"] == ", ".join(
            f'299 - "segment_{name} is deprecated, use chunk_{name}; the next release will reject it"'
            for name in ("frames", "overlap")
        )
    new = http.post("/v1/jobs", json={"video_id": video_id, "parameters": {"chunk_frames": 20}})
    assert not new.headers.keys() & {"deprecation", "warning"}


def test_a_threshold_of_the_overlay_is_taken_with_a_warning(http: httpx.Client, video_id: str) -> None:
    body = {"video_id": video_id, "parameters": {"overlay_min_score": 0.4}}
    answer = http.post("/v1/jobs", json=body)
    assert answer.json()["parameters"]["overlay_min_score"] == 0.4
    line = "overlay_min_score is deprecated, use min_score; the next release will reject it"
    assert answer.headers["warning"] == f'299 - "{line}"'


@pytest.mark.parametrize("wrong", [-0.1, 1.1, "x"])
def test_a_minimum_score_out_of_range_is_refused(http: httpx.Client, video_id: str, wrong: object) -> None:
    answer = http.post("/v1/jobs", json={"video_id": video_id, "parameters": {"min_score": wrong}})
    [error] = problem(answer, 422, "invalid-parameter")["errors"]  # type: ignore[misc]
    assert error["pointer"] == "#/parameters/min_score"


def test_old_and_new_name_are_one_request(http: httpx.Client, video_id: str) -> None:
    key = {"Idempotency-Key": "renamed"}
    ids = {
        http.post("/v1/jobs", json={"video_id": video_id, "parameters": {name: 20}}, headers=key).json()["id"]
        for name in ("segment_frames", "chunk_frames")
    }
    assert len(ids) == 1


def test_wrong_parameters_before_the_file_store_nothing(http: httpx.Client, tmp_path: Path) -> None:
    content = clip(tmp_path / "c.mp4", seed=3).read_bytes()
    answer = http.post("/v1/jobs", data={"parameters": '{"th_det": 2}'}, files={"file": ("c.mp4", content)})
    problem(answer, 422, "invalid-parameter")
    problem(http.get(f"/v1/videos/{hashlib.sha256(content).hexdigest()}"), 404, "unknown-video")


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"", 400),
        ("application/json", b'{"\\ud800": 1}', 400),
        ("application/json", b'{"video_id": NaN}', 400),
        ("application/json", b"[" * 50_000, 400),
        ("application/json", b"\xff\xfe", 400),
        ("application/json", b"[]", 422),
        ("application/json", b"{}", 422),
        ("application/json", b'{"video_id": "x"}', 422),
        ("application/json", b" " * 70_000, 413),
        ("text/plain", b"{}", 415),
        ("application/x-www-form-urlencoded", b"video_id=1", 415),
        ("multipart/form-data; boundary=b", b"--b--\r\n", 422),
    ],
)
def test_bad_body(http: httpx.Client, content_type: str, body: bytes, status: int) -> None:
    problem(http.post("/v1/jobs", content=body, headers={"Content-Type": content_type}), status)


def test_categories_are_those_of_the_detector_or_of_the_detections(http: httpx.Client, video_id: str) -> None:
    assert create(http, video_id, categories="ytvis2019")
    unknown = http.post("/v1/jobs", json={"video_id": video_id, "parameters": {"categories": ["ape", "crab"]}})
    assert "got crab" in str(problem(unknown, 422, "invalid-parameter")["detail"])
    crabs = {"categories": [{"id": 1, "name": "crab"}], "annotations": [BOX]}
    parts = {"video_id": video_id, "parameters": '{"categories": ["crab"]}'}
    assert post_detections(http, parts, crabs).status_code == 202


def test_classes_are_those_of_a_detector_from_outside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "graph.onnx").write_bytes(b"only the worker opens it")
    (tmp_path / "detector.toml").write_text("""
        model = "graph.onnx"
        classes = ["crab"]
        input = {name = "images", size = [64, 64]}
        boxes = {tensor = "boxes"}
        scores = {tensor = "scores"}
    """)
    with running(tmp_path / "data", detector=tmp_path / "detector.toml") as api, api.http() as http:
        assert http.get("/v1/models").json()["classes"] == [{"name": "crab", "vocabulary": "own"}]
        video_id = http.post("/v1/videos", content=content, headers=RAW).json()["id"]
        assert create(http, video_id, categories=["crab"])
        request = {"video_id": video_id, "parameters": {"categories": ["person"]}}
        problem(http.post("/v1/jobs", json=request), 422, "invalid-parameter")


def test_job_for_an_unknown_video(http: httpx.Client) -> None:
    problem(http.post("/v1/jobs", json={"video_id": "0" * 64}), 404, "unknown-video")


@pytest.mark.parametrize("job_id", ["0" * 32, "nonsense", "a%0Ab", "queue", "%00", "é"])
def test_unknown_job(http: httpx.Client, job_id: str) -> None:
    for answer in (http.get(f"/v1/jobs/{job_id}"), http.get(f"/v1/jobs/{job_id}/result")):
        problem(answer, 404)
    problem(http.delete(f"/v1/jobs/{job_id}"), 404)


def test_idempotency_key(http: httpx.Client, video_id: str, content: bytes) -> None:
    body = {"video_id": video_id, "parameters": {"th_cc": 0.1}}
    key = {"Idempotency-Key": "one"}
    first = http.post("/v1/jobs", json=body, headers=key)
    again = http.post("/v1/jobs", json=body, headers=key)
    form = {"parameters": '{"th_cc": 0.1}'}
    one_shot = http.post(
        "/v1/jobs", data=form, files={"file": ("a.mp4", content)}, headers={"Idempotency-Key": '"one"'}
    )
    assert {first.json()["id"]} == {again.json()["id"], one_shot.json()["id"]}
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    other = http.post("/v1/jobs", json={"video_id": video_id}, headers=key)
    problem(other, 422, "idempotency-key-reused")
    problem(http.post("/v1/jobs", json=body, headers={"Idempotency-Key": ""}), 422, "invalid-parameter")


def test_one_job_of_many_posts_at_once(api: Api, video_id: str) -> None:
    ids: list[str] = []

    def post() -> None:
        with api.http() as http:
            ids.append(
                http.post("/v1/jobs", json={"video_id": video_id}, headers={"Idempotency-Key": "race"}).json()["id"]
            )

    threads = [threading.Thread(target=post) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 10
    assert len(set(ids)) == 1


def test_long_poll_ends_with_the_job(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id)
    # that it ends at once is shown where a poll may last longer than any test: tests/contract/state/test_events.py
    timer = threading.Timer(0.4, lambda: api.act(partial(finish, job_id=job_id)))
    timer.start()
    job = http.get(f"/v1/jobs/{job_id}?wait=60").json()
    timer.join()
    assert job["state"] == "done"
    assert job["summary"] == {"tubelets": 0, "left_out": 0, "max_seeds_reached": False}
    assert "retry-after" not in http.get(f"/v1/jobs/{job_id}").headers


def test_long_poll_ends_after_its_time_or_a_change(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id)
    job = http.get(f"/v1/jobs/{job_id}?wait=0.3").json()
    assert (job["state"], job["summary"]) == ("queued", None)
    timer = threading.Timer(0.3, lambda: api.act(partial(progress, job_id=job_id, done=1)))
    timer.start()
    changed = http.get(f"/v1/jobs/{job_id}?wait=60&version={job['version']}").json()
    timer.join()
    assert changed["version"] > job["version"]
    assert changed["state"] == "running"


@pytest.mark.parametrize("query", ["wait=61", "wait=-1", "wait=x", "wait=nan", "wait=1&version=-1"])
def test_wrong_wait(http: httpx.Client, video_id: str, query: str) -> None:
    body = problem(http.get(f"/v1/jobs/{create(http, video_id)}?{query}"), 422, "invalid-parameter")
    assert body["errors"][0]["in"] == "query"  # type: ignore[index]


def test_result_before_it_is_ready(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id)
    body = problem(http.get(f"/v1/jobs/{job_id}/result"), 409, "not-ready")
    assert (body["state"], body["progress"]) == ("queued", None)
    api.act(partial(progress, job_id=job_id, done=2))
    answer = http.get(f"/v1/jobs/{job_id}/result")
    reported = problem(answer, 409, "not-ready")["progress"]
    assert reported == {"stage": "track", "done": 2, "total": 4, "fraction": 0.5, "rate": 2.0, "eta_s": 3.5}
    assert answer.headers["retry-after"]
    assert http.get(f"/v1/jobs/{job_id}").json()["progress"] == reported


def test_results_in_three_formats(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id)
    api.act(partial(finish, job_id=job_id))
    url = f"/v1/jobs/{job_id}/result"
    document = http.get(url)
    jsonschema.validate(document.json(), result_schema())
    assert document.json()["tubelets"] == []
    known = http.get(url, headers={"If-None-Match": document.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    assert http.get(url, params={"format": "ytvis"}).json() == []
    overlay = http.get(url, params={"format": "overlay-mp4"})
    assert (overlay.headers["content-type"], overlay.content) == ("video/mp4", bytes(range(100)))
    again = http.get(url, params={"format": "overlay-mp4"}, headers={"If-None-Match": overlay.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    part = http.get(url, params={"format": "overlay-mp4"}, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    assert part.headers["content-range"] == "bytes 10-19/100"
    problem(http.get(url, params={"format": "overlay-mp4"}, headers={"Range": "bytes=100-"}), 416)
    problem(http.get(url, params={"format": "zip"}), 422, "invalid-parameter")


def test_records_of_several_classes_or_of_one(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id)
    api.act(partial(finish, job_id=job_id))
    api.act(partial(be_unsure, job_id=job_id))
    url = f"/v1/jobs/{job_id}/result"
    assert [each["category"] for each in http.get(url).json()["tubelets"][0]["classes"]] == ["dog", "cat"]
    several = http.get(url, params={"format": "ytvis"})
    single = http.get(url, params={"format": "ytvis", "single_class": "true"})
    assert [(each["category_id"], each["score"]) for each in several.json()] == [(18, 0.5), (17, 0.25)]
    assert single.json() == several.json()[:1]
    assert single.headers["content-type"] == several.headers["content-type"] == "application/json"
    assert single.headers["etag"] != several.headers["etag"]
    again = http.get(
        url, params={"format": "ytvis", "single_class": "true"}, headers={"If-None-Match": single.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert http.get(url, params={"single_class": "true"}).headers["etag"] == http.get(url).headers["etag"]
    problem(http.get(url, params={"format": "ytvis", "single_class": "perhaps"}), 422, "invalid-parameter")


def test_result_from_before_schema_1(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id)

    async def finish_as_then(parts: Parts) -> None:
        await finish(parts, job_id)
        folder = parts.blobs.result_folder(job_id, 1)
        (folder / STORED).unlink()
        (folder / BEFORE_SCHEMA_1).write_text('{"tubelets": []}')

    api.act(finish_as_then)
    document = http.get(f"/v1/jobs/{job_id}/result").json()
    jsonschema.validate(document, result_schema())
    assert (document["schema"], document["tubelets"]) == (1, [])


def test_result_that_a_newer_version_wrote(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id)

    async def finish_later(parts: Parts) -> None:
        await finish(parts, job_id)
        (parts.blobs.result_folder(job_id, 1) / STORED).write_text('{"schema": 2, "tubelets": []}')

    api.act(finish_later)
    answer = problem(http.get(f"/v1/jobs/{job_id}/result"), 503, "newer-format")
    assert answer["detail"] == "result: schema 2 is newer than 1, the newest that this version reads"


def test_result_that_was_damaged_is_no_fault_of_the_caller(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id)

    async def finish_damaged(parts: Parts) -> None:
        await finish(parts, job_id)
        (parts.blobs.result_folder(job_id, 1) / STORED).write_text('{"schema": 1, "tub')

    api.act(finish_damaged)
    with structlog.testing.capture_logs() as logged:
        problem(http.get(f"/v1/jobs/{job_id}/result"), 500, "internal")
    assert [line["code"] for line in logged if line["event"] == "request failed"] == ["invalid-result"]


def test_overlay_that_was_not_requested(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id, overlay=False)
    api.act(partial(finish, job_id=job_id))
    problem(http.get(f"/v1/jobs/{job_id}/result?format=overlay-mp4"), 404, "no-overlay")


def test_result_of_a_failed_job_says_why(api: Api, http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id)
    api.act(partial(fail, job_id=job_id))
    assert http.get(f"/v1/jobs/{job_id}").json()["error"]["code"] == "malformed"
    body = problem(http.get(f"/v1/jobs/{job_id}/result"), 409, "job-failed")
    assert "frame 3 is broken" in str(body["detail"])


def test_cancel(http: httpx.Client, video_id: str) -> None:
    job_id = create(http, video_id)
    answer = http.delete(f"/v1/jobs/{job_id}")
    assert (answer.status_code, answer.json()["state"]) == (202, "canceled")
    assert http.delete(f"/v1/jobs/{job_id}").json()["state"] == "canceled"
    problem(http.get(f"/v1/jobs/{job_id}/result"), 409, "job-canceled")


def test_job_of_a_deleted_video(api: Api, http: httpx.Client, tmp_path: Path) -> None:
    answer = http.post("/v1/videos", content=clip(tmp_path / "b.mp4", seed=9).read_bytes(), headers=RAW)
    video_id = answer.json()["id"]
    job_id = create(http, video_id)
    api.act(partial(finish, job_id=job_id))
    given = post_detections(http, {"video_id": video_id}, [{**BOX, "score": 0.123}]).json()["detections"]
    folder = api.settings.data_dir / "blobs/detections" / given[:2] / given[2:4]
    assert len(list(folder.glob(f"{given}.*"))) == 1
    assert http.delete(f"/v1/videos/{video_id}").status_code == 204
    assert not list(folder.glob(f"{given}.*"))
    problem(http.get(f"/v1/jobs/{job_id}"), 410)
    problem(http.get(f"/v1/jobs/{job_id}/result"), 410)
    assert http.post("/v1/jobs", json={"video_id": video_id}).status_code in {404, 410}

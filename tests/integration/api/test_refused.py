"""A request that is refused leaves nothing behind, and takes nothing from anybody."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.integration.api.api_service import RAW, Api, clip, files_below, problem, running

GOOD = b'[{"image_id": 3, "category_id": 1, "score": 0.5, "bbox": [1, 2, 30, 20]}]'
BAD = b'[{"image_id": 4, "category_id": 1, "score": 0.5, "bbox": [1, 2, 30, 20]}]'


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with running(tmp_path) as api:
        yield api


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return clip(tmp_path / "a.mp4").read_bytes()


@pytest.mark.parametrize(
    ("url", "parts", "code"),
    [
        pytest.param("/v1/videos", [("file", None), ("more", b"x")], "unexpected-part", id="video-and-more"),
        pytest.param("/v1/jobs", [("file", None), ("more", b"x")], "unexpected-part", id="unexpected-part"),
        pytest.param("/v1/jobs", [("file", None), ("parameters", b'{"th_det": 2}')], "invalid-parameter", id="range"),
        pytest.param("/v1/jobs", [("file", None), ("parameters", b"{")], "malformed-json", id="json"),
        pytest.param("/v1/jobs", [("file", None), ("detections", BAD)], "invalid-detections", id="detections"),
        pytest.param("/v1/jobs", [("detections", BAD), ("file", None)], "invalid-detections", id="detections-first"),
        pytest.param("/v1/jobs", [("detections", GOOD)], "missing-part", id="no-video"),
        pytest.param(
            "/v1/jobs",
            [("file", None), ("parameters", b'{"categories": ["griffin"]}')],
            "invalid-parameter",
            id="categories",
        ),
    ],
)
def test_a_refused_form_stores_nothing(
    api: Api, content: bytes, url: str, parts: list[tuple[str, bytes | None]], code: str
) -> None:
    form = [(name, ("a.mp4" if value is None else None, value or content)) for name, value in parts]
    with api.http() as http:
        problem(http.post(url, files=form), 400 if code == "malformed-json" else 422, code)
    assert files_below(api.settings.data_dir / "blobs") == set()


def test_detections_sent_as_a_video_are_refused_and_stay(api: Api, content: bytes) -> None:
    with api.http() as http:
        answer = http.post("/v1/jobs", files={"file": ("a.mp4", content), "detections": GOOD})
        assert answer.status_code == 202, answer.text
        problem(http.post("/v1/videos", content=GOOD, headers=RAW), 415, "unsupported-container")
        again = {"video_id": answer.json()["video_id"], "detections": answer.json()["detections"]}
        assert http.post("/v1/jobs", json=again).status_code == 202


def test_a_job_that_is_not_made_leaves_no_detections(tmp_path: Path, content: bytes) -> None:
    with running(tmp_path / "full", max_queue=1) as api, api.http() as http:
        video = http.post("/v1/videos", content=content, headers=RAW).json()["id"]
        assert http.post("/v1/jobs", json={"video_id": video}).status_code == 202
        answer: httpx.Response = http.post("/v1/jobs", data={"video_id": video}, files={"detections": GOOD})
        problem(answer, 429, "queue-full")
        assert files_below(api.settings.data_dir / "blobs/detections") == set()


def test_a_job_that_is_not_made_leaves_no_video(tmp_path: Path, content: bytes) -> None:
    other = clip(tmp_path / "b.mp4", seed=1).read_bytes()
    with running(tmp_path / "full", max_queue=1) as api, api.http() as http:
        assert http.post("/v1/jobs", files={"file": ("a.mp4", content)}).status_code == 202
        problem(http.post("/v1/jobs", files={"file": ("b.mp4", other)}), 429, "queue-full")
        gone = hashlib.sha256(other).hexdigest()
        problem(http.get(f"/v1/videos/{gone}"), 404, "unknown-video")
        # a video that was there before stays
        problem(http.post("/v1/jobs", files={"file": ("a.mp4", content)}), 429, "queue-full")
        assert {file.rsplit("/", 1)[1].split(".")[0] for file in files_below(api.settings.data_dir / "blobs")} == {
            hashlib.sha256(content).hexdigest()
        }
        assert http.post("/v1/videos", content=other, headers=RAW).status_code == 201


def test_equal_uploads_at_once_are_one_video(api: Api, content: bytes) -> None:
    def upload(_: int) -> int:
        with api.http() as http:
            return http.post("/v1/videos", content=content, headers=RAW).status_code

    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(upload, range(12)))
    assert sorted(statuses) == [200] * 11 + [201]
    assert len(files_below(api.settings.data_dir / "blobs")) == 1


def test_an_upload_while_the_same_video_is_deleted_is_good(api: Api, content: bytes) -> None:
    url = f"/v1/videos/{hashlib.sha256(content).hexdigest()}"

    def act(number: int) -> int:
        with api.http() as http:
            answer = http.delete(url) if number % 2 else http.post("/v1/videos", content=content, headers=RAW)
            return answer.status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(act, range(32)))
    assert set(statuses[::2]) <= {200, 201}
    assert set(statuses[1::2]) <= {204, 404}
    with api.http() as http:
        there = http.get(url).status_code == 200
    assert len(files_below(api.settings.data_dir / "blobs")) == there

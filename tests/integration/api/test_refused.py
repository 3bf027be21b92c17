"""A request that is refused leaves nothing behind, and takes nothing from anybody."""

from collections.abc import Iterator
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

"""What clients put around a video: boundaries, file names, content types, byte order marks."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.api.api_service import Api, clip, problem, running


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(tmp_path_factory.mktemp("intake")) as api:
        yield api


@pytest.fixture
def http(api: Api) -> Iterator[httpx.Client]:
    with api.http() as client:
        yield client


@pytest.fixture
def video(tmp_path: Path) -> bytes:
    # one of its own for every test: a known video keeps its first name
    return clip(tmp_path / "a.mp4", seed=time.time_ns() % 2**32).read_bytes()


def form(disposition: bytes, content: bytes, boundary: str = "b") -> tuple[bytes, dict[str, str]]:
    mark = boundary.encode()
    body = b"--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n--%s--\r\n" % (mark, disposition, content, mark)
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


@pytest.mark.parametrize("path", ["/v1/videos", "/v1/jobs"])
@pytest.mark.parametrize("boundary", ["", "x" * 257, "x" * 5000, "é" * 300, '"' * 3000])
def test_a_boundary_that_no_form_can_have(http: httpx.Client, path: str, boundary: str) -> None:
    body, _ = form(b'name="file"', b"x", "b")
    kind = f"multipart/form-data; boundary={boundary}".encode("latin-1")
    answer = http.post(path, content=body, headers={b"Content-Type": kind})
    assert "boundary" in str(problem(answer, 400, "malformed-multipart")["detail"])
    assert len(answer.content) < 1000


def test_a_long_boundary_of_a_real_form(http: httpx.Client, video: bytes) -> None:
    body, headers = form(b'name="file"', video, "x" * 256)
    assert http.post("/v1/videos", content=body, headers=headers).status_code == 201


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'filename="a.mp4"', "a.mp4"),
        (b"filename=a.mp4", "a.mp4"),
        ('filename="naïve.mp4"'.encode(), "naïve.mp4"),
        (b"filename=\"a.mp4\"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.mp4", "naïve €.mp4"),
        (b"filename*=utf-8'en'%e2%82%ac.mp4", "€.mp4"),
        (b"filename*=iso-8859-1''%e9t%e9.mp4", "été.mp4"),
        (b"filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
        (b"filename*=UTF-8''a%0D%0Ab.mp4", "ab.mp4"),
        (b"filename*=klingon''a.mp4; filename=b.mp4", "b.mp4"),
    ],
)
def test_the_name_of_a_file(http: httpx.Client, video: bytes, disposition: bytes, name: str) -> None:
    body, headers = form(b'name="file"; ' + disposition, video)
    assert http.post("/v1/videos", content=body, headers=headers).json()["filename"] == name
    raw = {b"Content-Type": b"video/mp4", b"Content-Disposition": b"attachment; " + disposition}
    again = http.post("/v1/videos", content=video + b"\0\0\0\x08free", headers=raw)
    assert again.json()["filename"] == name


@pytest.mark.parametrize(
    ("written", "name"), [(b"say %22hi%22.mp4", 'say "hi".mp4'), (b"a%0D%0Ab.mp4", "ab.mp4"), (b"50%.mp4", "50%.mp4")]
)
def test_what_browsers_escape_in_a_form(http: httpx.Client, video: bytes, written: bytes, name: str) -> None:
    body, headers = form(b'name="file"; filename="%s"' % written, video)
    assert http.post("/v1/videos", content=body, headers=headers).json()["filename"] == name


@pytest.mark.parametrize("kind", ["application/mp4", "Video/MP4; codecs=avc1", "application/x-matroska", ""])
def test_content_types_of_videos(http: httpx.Client, video: bytes, kind: str) -> None:
    answer = http.post("/v1/videos", content=video, headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == 201


def test_json_with_a_byte_order_mark(http: httpx.Client, video: bytes) -> None:
    video_id = http.post("/v1/videos", content=video).json()["id"]
    parameters = {"th_det": 0.5}
    body = json.dumps({"video_id": video_id, "parameters": parameters}).encode("utf-8-sig")
    answer = http.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.json()["parameters"] == parameters | {"preset": "default", "overlay": True}

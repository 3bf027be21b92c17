"""Uploads and what is wrong with them."""

import hashlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import av
import httpx
import pytest

from tests.integration.api.api_service import RAW, Api, clip, files_below, problem, running, wait_for
from tests.support.patience import PATIENCE_S

LIMIT = 300_000


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(tmp_path_factory.mktemp("videos"), max_body_bytes=LIMIT) as api:
        yield api


@pytest.fixture
def http(api: Api) -> Iterator[httpx.Client]:
    with api.http() as client:
        yield client


def test_upload_raw_then_as_form_is_one_video(http: httpx.Client, tmp_path: Path) -> None:
    content = clip(tmp_path / "a.mp4").read_bytes()
    first = http.post("/v1/videos", content=content, headers=RAW)
    assert first.status_code == 201, first.text
    digest = hashlib.sha256(content).hexdigest()
    assert first.json()["id"] == digest
    assert first.headers["location"] == f"/v1/videos/{digest}"
    assert (first.json()["info"]["width"], first.json()["info"]["height"]) == (64, 48)
    second = http.post("/v1/videos", files={"file": ("../x/a.mp4", content)})
    assert (second.status_code, second.json()["id"]) == (200, digest)
    assert http.get(f"/v1/videos/{digest}").json() == first.json()


def test_form_keeps_the_last_component_of_the_name(http: httpx.Client, tmp_path: Path) -> None:
    content = clip(tmp_path / "a.mp4", seed=1).read_bytes()
    answer = http.post("/v1/videos", files={"file": ("..\\C:/up/my clip.mp4", content)})
    assert answer.json()["filename"] == "my clip.mp4"


def test_deleted_video_is_gone_and_can_come_again(http: httpx.Client, tmp_path: Path) -> None:
    content = clip(tmp_path / "a.mp4", seed=2).read_bytes()
    url = http.post("/v1/videos", content=content, headers=RAW).headers["location"]
    assert http.delete(url).status_code == 204
    assert http.get(url).status_code in {404, 410}
    assert http.post("/v1/videos", content=content, headers=RAW).status_code == 201


def test_curl_uploads_a_file(api: Api, tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", seed=3)
    command = ["curl", "-sS", "-F", f"file=@{path}", f"{api.url}/v1/videos"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert hashlib.sha256(path.read_bytes()).hexdigest() in done.stdout


BAD_FILES = {
    "empty": b"",
    "text": b"This is not a video, despite its name.\n" * 40,
    "ffconcat": b"ffconcat version 1.0\nfile 'other.mp4'\n",
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\nfile:///etc/passwd\n",
}


@pytest.mark.parametrize("kind", [*BAD_FILES, "truncated", "audio"])
@pytest.mark.parametrize("form", [False, True])
def test_bad_file_is_a_problem_and_leaves_nothing(
    api: Api, http: httpx.Client, tmp_path: Path, kind: str, form: bool
) -> None:
    content = bad_file(kind, tmp_path)
    before = files_below(api.settings.data_dir)
    if form:
        answer = http.post("/v1/videos", files={"file": ("clip.mp4", content)})
    else:
        answer = http.post("/v1/videos", content=content, headers=RAW)
    assert problem(answer, answer.status_code)["detail"]
    assert answer.status_code in {415, 422}
    assert {name for name in files_below(api.settings.data_dir) - before if "appendonly" not in name} == set()


def bad_file(kind: str, tmp_path: Path) -> bytes:
    if kind == "truncated":
        # the index of such a file is at its end
        content = clip(tmp_path / "a.mp4").read_bytes()
        return content[: len(content) * 6 // 10]
    if kind == "audio":
        path = tmp_path / "audio.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=8000)
            frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            frame.sample_rate = 8000
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path.read_bytes()
    return BAD_FILES[kind]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "image/png"])
def test_wrong_content_type(http: httpx.Client, content_type: str) -> None:
    problem(
        http.post("/v1/videos", content=b"{}", headers={"Content-Type": content_type}),
        415,
        "unsupported-media-type",
    )


def test_compressed_body(http: httpx.Client) -> None:
    problem(http.post("/v1/videos", content=b"x", headers={**RAW, "Content-Encoding": "gzip"}), 415)


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"junk"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nhalf'),
        ("multipart/form-data; boundary=b", b"--b\r\nX: y\r\n\r\nz\r\n--b--\r\n"),
    ],
)
def test_broken_form(http: httpx.Client, content_type: str, content: bytes) -> None:
    answer = http.post("/v1/videos", content=content, headers={"Content-Type": content_type})
    problem(answer, 400, "malformed-multipart")


def test_form_with_other_parts(http: httpx.Client) -> None:
    problem(http.post("/v1/videos", files={"picture": ("a", b"x")}), 422, "unexpected-part")
    body = b"--b--\r\n"
    problem(http.post("/v1/videos", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"}), 422)


def test_body_over_the_limit_by_its_length(http: httpx.Client) -> None:
    problem(http.post("/v1/videos", content=bytes(LIMIT + 1), headers=RAW), 413, "body-too-large")


def test_body_over_the_limit_while_it_streams(api: Api, http: httpx.Client) -> None:
    before = files_below(api.settings.data_dir)
    endless = (bytes(50_000) for _ in range(1000))
    answer = http.post("/v1/videos", content=endless, headers=RAW | {"Accept-Encoding": "gzip"})
    problem(answer, 413, "body-too-large")
    # whole before the connection is cut: a chunked answer would still miss its end
    assert "content-length" in answer.headers
    assert files_below(api.settings.data_dir) == before


def test_file_over_the_limit_in_a_form(http: httpx.Client) -> None:
    problem(http.post("/v1/videos", files={"file": ("a.mp4", bytes(LIMIT + 1))}), 413, "body-too-large")


def test_client_that_breaks_off_leaves_nothing(api: Api) -> None:
    before = files_below(api.settings.data_dir)
    host, port = api.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        head = f"POST /v1/videos HTTP/1.1\r\nHost: x\r\nContent-Type: video/mp4\r\nContent-Length: {LIMIT}\r\n\r\n"
        client.sendall(head.encode() + bytes(100_000))
        wait_for(lambda: files_below(api.settings.data_dir) != before)
    wait_for(lambda: files_below(api.settings.data_dir) == before)

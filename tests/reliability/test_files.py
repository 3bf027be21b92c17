"""Hostile files: each is refused with a problem, or taken and its job ends; none is a fault of the service."""

import gzip
import json
import random
import struct
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import httpx
import numpy as np
import pytest

from tests.reliability.following import Desk, desk
from tests.reliability.responses import Caller, Responses
from tests.reliability.service_processes import Service
from tests.support.clips import plain

pytestmark = pytest.mark.reliability

REFUSED = {413, 415, 422}
RAW = {"Content-Type": "video/mp4"}
DAMAGED = 16


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")


def deep_boxes(path: Path) -> None:
    content = b""
    for _ in range(5000):
        content = box(b"moov", content)
    path.write_bytes(FTYP + content)


def sound_only(path: Path) -> None:
    with av.open(str(path), "w", format="wav") as out:
        stream = out.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        out.mux(stream.encode(frame))
        out.mux(stream.encode())


def archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("frame.raw", bytes(10_000_000))


def cut_off(path: Path) -> None:
    whole = plain(path.with_suffix(".whole.mp4")).read_bytes()
    path.write_bytes(whole[: len(whole) // 3])


def codec_of_screens(path: Path) -> None:
    with av.open(str(path), "w", format="avi") as out:
        stream = out.add_stream("utvideo", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 32, "gbrp"
        out.mux(stream.encode(av.VideoFrame(32, 32, "gbrp")))
        out.mux(stream.encode())


def written(content: bytes) -> Callable[[Path], None]:
    return lambda path: (path.write_bytes(content), None)[1]


def playlist(address: str) -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n".encode()


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(written(b""), id="nothing"),
        pytest.param(written(b"\0"), id="one byte"),
        pytest.param(written(bytes(1_000_000)), id="null bytes"),
        pytest.param(written(random.Random(1).randbytes(100_000)), id="random bytes"),
        pytest.param(written(b"<html><script>alert(1)</script></html>"), id="HTML"),
        pytest.param(written(b"%PDF-1.7\n"), id="PDF"),
        pytest.param(written(b"\x7fELF" + bytes(1000)), id="a program"),
        pytest.param(written(b"#!/bin/sh\nid\n"), id="a script"),
        pytest.param(written(gzip.compress(bytes(1_000_000))), id="gzip"),
        pytest.param(archive, id="zip"),
        pytest.param(written(json.dumps([[]] * 10_000).encode()), id="JSON"),
        pytest.param(written(playlist("file:///etc/passwd")), id="a playlist of a file"),
        pytest.param(written(playlist("http://127.0.0.1:9/secret")), id="a playlist of an address"),
        pytest.param(written(b"ffconcat version 1.0\nfile /etc/passwd\n"), id="a list of files"),
        pytest.param(written(b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 9 RTP/AVP 96\n"), id="a session"),
        pytest.param(written(b"<MPD><Period><BaseURL>file:///etc/</BaseURL></Period></MPD>"), id="a manifest"),
        pytest.param(
            written(b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"), id="a drawing"
        ),
        pytest.param(written(FTYP), id="only the beginning of an MP4"),
        pytest.param(written(FTYP + b"\xff\xff\xff\xffmoov"), id="a box of 4 GB"),
        pytest.param(written(FTYP + b"\0\0\0\1moov" + b"\xff" * 8), id="a box of 16 EB"),
        pytest.param(written(FTYP + b"\0\0\0\0moov"), id="a box without a length"),
        pytest.param(written(FTYP + box(b"free") * 100_000), id="a hundred thousand boxes"),
        pytest.param(deep_boxes, id="deep boxes"),
        pytest.param(sound_only, id="sound"),
        pytest.param(cut_off, id="cut off"),
        pytest.param(codec_of_screens, id="a codec that is not read"),
        pytest.param(lambda path: plain(path, 3, hw=(8, 8)), id="eight pixels"),
        pytest.param(lambda path: plain(path, 2, hw=(2400, 4800)), id="too many pixels"),
    ],
)
def test_a_hostile_file(service: Service, make: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    make(path)
    with desk(service) as at:
        answer = at.caller.once("POST", "/v1/videos", content=path.read_bytes(), headers=RAW)
        assert answer is not None
        assert answer.status_code in REFUSED, answer.text
    left = [each for each in (service.folder / "blobs").rglob("*") if path.stat().st_size and same(each, path)]
    assert left == []


def test_files_with_damage_anywhere(service: Service, tmp_path: Path) -> None:
    """Taken or refused, and the jobs of those that are taken end: done, or failed for a reason that lies in the file."""
    whole = plain(tmp_path / "a.mp4", 6).read_bytes()
    responses = Responses()

    def send(seed: int) -> httpx.Response:
        caller = Caller(service.url, responses)
        try:
            return caller.call("POST", "/v1/videos", content=damaged(whole, seed), headers=RAW)
        finally:
            caller.close()

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(send, range(DAMAGED)))
    assert responses.wrong == []
    assert {answer.status_code for answer in found} <= {200, 201, *REFUSED}
    taken = {answer.json()["id"] for answer in found if answer.is_success}
    assert taken
    with desk(service) as at:
        for video in taken:
            job = ended(at, video)
            if job["state"] == "failed":
                assert job["error"]["code"] in {"decode-failed", "malformed", "no-frames", "timeout"}, job


def damaged(whole: bytes, seed: int) -> bytes:
    """Some bytes are others, and every third file ends early."""
    draw = random.Random(seed)
    content = bytearray(whole)
    for _ in range(draw.choice((1, 4, 64))):
        content[draw.randrange(len(content))] = draw.randrange(256)
    return bytes(content[: draw.randrange(1, len(content))] if seed % 3 == 0 else content)


def ended(at: Desk, video: str) -> dict[str, object]:
    answer = at.caller.call("POST", "/v1/jobs", json={"video_id": video, "parameters": {"overlay": True}})
    assert answer.status_code == 202, answer.text
    return at.until_it_ends(answer.headers["location"])


def same(path: Path, other: Path) -> bool:
    return path.is_file() and path.read_bytes() == other.read_bytes()

"""The API has files of detections read by a process with limits, which holds an upload slot and ends with its client."""

import asyncio
import json
import os
import signal
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from dualtrack.children import python_command
from evaluation.bench.meters.processes import children
from service.api import app
from service.inference.repository.manifest import load_manifest
from service.media.children import guard
from service.media.probe import probe
from service.pipeline.categories.class_vector import bundled
from service.pipeline.detection.given import GivenDetections, open_detections
from service.pipeline.store.cache import FolderCache
from tests.integration.api.api_service import RAW, Api, clip, problem, running, wait_for

BOX = {"image_id": 3, "category_id": 1, "score": 0.5, "bbox": [1, 2, 30, 20]}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setattr(app, "MAX_UPLOADS", 1)
    with running(tmp_path / "api") as found:
        yield found


@pytest.fixture
def video_id(api: Api, tmp_path: Path) -> str:
    with api.http() as http:
        answer = http.post("/v1/videos", content=clip(tmp_path / "a.mp4").read_bytes(), headers=RAW)
        return str(answer.json()["id"])


def checkers() -> list[int]:
    """Processes below this one that read detections."""
    lines = ((pid, Path(f"/proc/{pid}/cmdline")) for pid in children())
    return [pid for pid, path in lines if path.exists() and b"service.pipeline.detection.check" in path.read_bytes()]


def stopped_at_first(module: str) -> list[str]:
    """A program that stops itself before it runs the module."""
    script = "import os, runpy, signal, sys; os.kill(os.getpid(), signal.SIGSTOP); del sys.argv[1:]; "
    return [*python_command(module)[:-2], "-c", f"{script}runpy.run_module({module!r}, run_name='__main__')", module]


def stopped() -> list[int]:
    """The checkers that have stopped themselves."""
    states = ((pid, Path(f"/proc/{pid}/stat")) for pid in checkers())
    return [pid for pid, path in states if path.exists() and path.read_text().rsplit(")", 1)[1].split()[0] == "T"]


def form(video_id: str) -> dict[str, Any]:
    return {"data": {"video_id": video_id}, "files": {"detections": json.dumps([BOX]).encode()}}


def test_the_records_lie_in_the_cache_before_the_job_is_taken(api: Api, video_id: str) -> None:
    with api.http() as http:
        job = http.post("/v1/jobs", **form(video_id))
        assert job.status_code == 202
        kept = list((api.settings.cache_dir / video_id).glob("given-*"))
        assert len(kept) == 1
        again = {"video_id": video_id, "detections": job.json()["detections"]}
        assert http.post("/v1/jobs", json=again).status_code == 202
        assert list((api.settings.cache_dir / video_id).glob("given-*")) == kept


def test_an_engine_finds_the_records_that_the_api_had_checked(api: Api, video_id: str, tmp_path: Path) -> None:
    with api.http() as http:
        assert http.post("/v1/jobs", **form(video_id)).status_code == 202
    settings, path = api.settings, tmp_path / "detections.json"
    path.write_text(json.dumps([BOX]))
    cache = FolderCache(settings.cache_dir, max_bytes=settings.cache_max_bytes)

    async def opened() -> GivenDetections:
        """As an engine does it, from what an engine has: the files, the cache and the models."""
        info = await probe(tmp_path / "a.mp4", settings.limits)
        known, scratch = bundled(load_manifest(settings.model_repository)), tmp_path / "scratch"
        return await open_detections(
            path, info, known, video=video_id, cache=cache, scratch=scratch, limits=settings.limits
        )

    assert len(asyncio.run(opened()).records.of_frame(3)) == 1
    assert not (tmp_path / "scratch").exists(), "the engine had the file checked again"


@pytest.mark.parametrize("kind", ["form", "json"])
def test_a_check_holds_an_upload_slot(kind: str, api: Api, video_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with api.http() as http:
        detections = http.post("/v1/jobs", **form(video_id)).json()["detections"]
        asked = form(video_id) if kind == "form" else {"json": {"video_id": video_id, "detections": detections}}
        answers: list[httpx.Response] = []
        first = threading.Thread(target=lambda: answers.append(http.post("/v1/jobs", **asked)))
        with monkeypatch.context() as patch:
            patch.setattr(guard, "python_command", stopped_at_first)
            first.start()
            wait_for(stopped)
        held = stopped()
        for other in (form(video_id), {"json": {"video_id": video_id, "detections": detections}}):
            assert "Retry-After" in http.post("/v1/jobs", **other).headers
            problem(http.post("/v1/jobs", **other), 429, "too-many-uploads")
        assert http.post("/v1/jobs", json={"video_id": video_id}).status_code == 202
        for pid in held:
            os.kill(pid, signal.SIGCONT)
        first.join()
        assert [answer.status_code for answer in answers] == [202]


def test_a_check_ends_with_its_client(api: Api, video_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with api.http() as http:
        detections = http.post("/v1/jobs", **form(video_id)).json()["detections"]
        asked = {"video_id": video_id, "detections": detections}
        address = urlsplit(api.url)
        client = HTTPConnection(str(address.hostname), address.port)
        with monkeypatch.context() as patch:
            patch.setattr(guard, "python_command", stopped_at_first)
            client.request("POST", "/v1/jobs", json.dumps(asked), {"Content-Type": "application/json"})
            wait_for(stopped)
        client.close()
        wait_for(lambda: not checkers())
        # its slot is given back a moment later
        wait_for(lambda: http.post("/v1/jobs", json=asked).status_code == 202)

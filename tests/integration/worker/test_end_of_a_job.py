"""What comes between the engine's last step and the commit counts: a cancel, and the deletion of the video."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import structlog

from dualtrack.engine.handle import EngineHandle
from dualtrack.errors import Gone, JobFailed
from service.state import redis_keys
from service.state.job import JobState
from service.wiring import Parts
from service.worker.runner import JobRunner
from tests.integration.api.api_service import RAW, Api, clip, files_below, running
from tests.support.results import write_empty

Between = Callable[[Parts, str, str], Awaitable[object]]


@dataclass
class Engine:
    """Writes a result, and then does what a test wants before it says that it is done, or that the video is bad."""

    between: Callable[[], Awaitable[object]]
    bad: bool = False
    work: dict[str, Any] | None = None

    async def run(self, work: dict[str, Any], *_: object) -> None:
        self.work = work
        out = Path(work["out"])
        out.mkdir(parents=True)
        write_empty(out)
        await self.between()
        if self.bad:
            raise JobFailed("video: bad", code="malformed", final=True)


def runner(parts: Parts, engine: Engine) -> JobRunner:
    return JobRunner(
        parts.jobs,
        parts.videos,
        parts.detections,
        parts.blobs,
        parts.cache,
        cast("EngineHandle", engine),
        parts.counters,
        parts.artifacts,
    )


async def cancel(parts: Parts, _video: str, job_id: str) -> None:
    await parts.jobs.cancel(job_id)


async def delete(parts: Parts, video: str, _job: str) -> None:
    await parts.videos.delete(video)


async def delete_with_its_marks_lost(parts: Parts, video: str, job_id: str) -> None:
    """What a process that was killed in the middle of a deletion, or knows nothing of this job, leaves."""
    await parts.redis.hset(redis_keys.job(job_id), "video_deleted", 1)


@pytest.fixture
def api(tmp_path: Path) -> Any:
    with running(tmp_path) as api:
        yield api


@pytest.mark.parametrize("bad", [False, True], ids=["done", "failed"])
@pytest.mark.parametrize("between", [cancel, delete, delete_with_its_marks_lost])
def test_it_leaves_no_result(api: Api, tmp_path: Path, between: Between, bad: bool) -> None:
    with api.http() as http:
        video = http.post("/v1/videos", content=clip(tmp_path / "a.mp4").read_bytes(), headers=RAW).json()["id"]
        job_id = http.post("/v1/jobs", json={"video_id": video}).json()["id"]

    async def run(parts: Parts) -> JobState | None:
        engine = Engine(lambda: between(parts, video, job_id), bad)
        await runner(parts, engine).run(job_id)
        try:
            return (await parts.jobs.get(job_id)).state
        except Gone:
            return None

    assert api.act(run) is (JobState.CANCELED if between is cancel else None)
    assert files_below(tmp_path / "blobs/results") == set()


def test_what_the_worker_logs_has_the_id_of_the_request(api: Api, tmp_path: Path) -> None:
    with api.http() as http:
        video = http.post("/v1/videos", content=clip(tmp_path / "a.mp4").read_bytes(), headers=RAW).json()["id"]
        asked = {"video_id": video, "parameters": {}}
        job_id = http.post("/v1/jobs", json=asked, headers={"X-Request-ID": "r-1"}).json()["id"]
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logged:
        api.act(lambda parts: runner(parts, Engine(lambda: asyncio.sleep(0))).run(job_id))
    ids = {entry["event"]: entry.get("request_id") for entry in logged if entry.get("job") == job_id}
    assert ids == {"job started": "r-1", "job done": "r-1"}


def test_a_job_of_format_1_finds_the_file_of_detections_where_it_was(api: Api, tmp_path: Path) -> None:
    with api.http() as http:
        video = http.post("/v1/videos", content=clip(tmp_path / "a.mp4").read_bytes(), headers=RAW).json()["id"]
        job_id = http.post("/v1/jobs", json={"video_id": video}).json()["id"]
    given = "ab" * 32
    old = tmp_path / "blobs/sha256/ab/ab" / given
    old.parent.mkdir(parents=True)
    old.write_text("[]")

    async def run(parts: Parts) -> dict[str, Any] | None:
        await parts.redis.hset(redis_keys.job(job_id), mapping={"format": 1, "detections": given})
        engine = Engine(lambda: asyncio.sleep(0))
        await runner(parts, engine).run(job_id)
        assert (await parts.jobs.get(job_id)).state is JobState.DONE
        return engine.work

    assert api.act(run)["detections"] == str(old)


def test_a_video_of_an_earlier_version_is_found_where_it_was(api: Api, tmp_path: Path) -> None:
    with api.http() as http:
        content = clip(tmp_path / "a.mp4").read_bytes()
        video = http.post("/v1/videos", content=content, headers=RAW).json()["id"]
        (stored,) = (tmp_path / "blobs/sha256").rglob(f"{video}.*")
        stored.rename(stored.with_name(video))
        api.act(lambda parts: _without_file(parts, video))
        assert http.get(f"/v1/videos/{video}").status_code == 200
        again: httpx.Response = http.post("/v1/videos", content=content, headers=RAW)
        assert again.status_code == 200
        assert http.delete(f"/v1/videos/{video}").status_code == 204
    assert files_below(tmp_path / "blobs") == set()


async def _without_file(parts: Parts, video: str) -> None:
    text = str(await parts.redis.get(redis_keys.video(video)))
    await parts.redis.set(redis_keys.video(video), text[: text.index(', "file"')] + "}")

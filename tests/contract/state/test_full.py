"""A server without room: jobs still end, are canceled and go with their video, and a job takes no more than is documented."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dualtrack.errors import InvalidParameter, Unavailable
from service.state import redis_keys
from service.state.artifact import OF_JOB, ArtifactKey
from service.state.job import MOST_PARAMETER_BYTES, JobProgress, JobState
from tests.contract.state.bench import BROKEN, Bench

pytestmark = pytest.mark.anyio

BYTES_OF_AN_ENDED_JOB = 16_000
"""As `docs/operations.md` says, see `tests/unit/deploy/test_operations.py`."""


@contextlib.asynccontextmanager
async def full(bench: Bench) -> AsyncIterator[None]:
    """The server refuses everything that may take memory."""
    await bench.redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        await bench.redis.config_set("maxmemory", 0)


async def test_new_jobs_and_videos_are_refused(bench: Bench, tmp_path: Path) -> None:
    before = await bench.held()
    async with full(bench):
        for call in (bench.waiting(), bench.stored_video(tmp_path)):
            with pytest.raises(Unavailable) as refused:
                await call
            assert refused.value.code == "state-full"
    assert await bench.held() == before
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


async def test_jobs_begin_report_and_end(bench: Bench) -> None:
    done, failed, released, broken, canceled, waits = [await bench.waiting() for _ in range(6)]
    store = bench.store(max_attempts=1)
    async with full(bench):
        for job_id in (done, failed, released, broken, canceled):
            assert await store.begin(job_id) is not None
            progress = JobProgress("track", 1, 4, 0.5, None, None)
            assert await store.progress(job_id, 1, progress, [] if job_id == broken else ["checkpoint"]) == "ok"
        assert await store.commit(done, 1, "results/1")
        assert await store.fail(failed, 1, {"code": "malformed", "detail": "bad"})
        assert await store.release(released, 1)
        assert await store.release(broken, 1, BROKEN)
        assert (await store.cancel(canceled)).cancel_requested
        assert await store.confirm_cancel(canceled, 1)
        assert (await store.cancel(waits)).state is JobState.CANCELED
    states = [(await store.get(job_id)).state for job_id in (done, failed, released, broken, canceled)]
    assert states == ["done", "failed", "queued", "failed", "canceled"]


async def test_a_video_is_deleted_with_its_jobs(bench: Bench, tmp_path: Path) -> None:
    videos = await bench.stored_video(tmp_path)
    waits, runs = await bench.waiting(), await bench.running()
    async with full(bench):
        await videos.get("video")
        await videos.delete("video")
    assert await bench.redis.hget(redis_keys.job(waits), "state") == "canceled"
    assert await bench.store().progress(runs, 1, None) == "cancel"
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


def largest() -> dict[str, object]:
    """Parameters that are just small enough."""
    return {"categories": "x" * (MOST_PARAMETER_BYTES - len(json.dumps({"categories": ""}, separators=(",", ":"))))}


async def test_parameters_that_are_too_large(bench: Bench) -> None:
    before = await bench.held()
    parameters = {"categories": f"{largest()['categories']}x"}
    with pytest.raises(InvalidParameter, match="expected at most 8192 bytes as compact JSON, got 8193"):
        await bench.store().create("video", parameters)
    assert await bench.held() == before


@pytest.mark.parametrize("end", ["commit", "cancel"])
async def test_what_an_ended_job_takes(bench: Bench, end: str) -> None:
    await bench.give_detections("0" * 64)
    before = await memory(bench)
    store = bench.store()
    asked = {"detections": "0" * 64, "idempotency_key": "k" * 128, "fingerprint": "f" * 64}
    job, _ = await store.create("0" * 64, largest(), **asked)  # type: ignore[arg-type]
    if end == "cancel":
        await store.cancel(job.id)
    else:
        await store.begin(job.id, holder="h" * 32)
        for done in range(100):
            progress = JobProgress("calibrate", done, 20_000, 0.1234, 123.45, 12345.6)
            await store.progress(job.id, 1, progress, [f"{'0' * 64}/checkpoint-{done:064}"])
        key = ArtifactKey(f"{OF_JOB}:{job.id}", "overlay", {"min_score": 0.1})
        await store.commit(job.id, 1, f"results/{job.id}/1", [key])
        await bench.artifacts().begin(key.name)
        for done in range(100):
            progress = JobProgress("render", done, 20_000, 0.1234, 123.45, 12345.6)
            await bench.artifacts().progress(key.name, 1, progress)
        await bench.artifacts().commit(key.name, 1, f"artifacts/job-{job.id}/overlay-{'0' * 16}/1/overlay.mp4", 1 << 30)
    held = await bench.held()
    assert {"progress", "holder", "advanced", "failures"}.isdisjoint(held[redis_keys.job(job.id)])
    assert redis_keys.job_checkpoints(job.id) not in held
    assert len(held[redis_keys.job_events(job.id)]) <= redis_keys.MOST_ENDED_JOB_EVENTS
    assert (await store.get(job.id)).parameters == largest()
    assert await memory(bench) - before <= BYTES_OF_AN_ENDED_JOB


async def memory(bench: Bench) -> int:
    """Bytes of all keys but the counters and the owner's events, which don't grow with the number of jobs."""
    apart = {redis_keys.COUNTERS, redis_keys.owner_events(redis_keys.OWNER)}
    keys = set(await bench.redis.keys()) - apart
    return sum([int(await bench.redis.memory_usage(key, samples=0) or 0) for key in keys])

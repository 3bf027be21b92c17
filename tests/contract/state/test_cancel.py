"""Cancel, and the end of a job with its video."""

import time
from pathlib import Path

import pytest

from dualtrack.errors import DualtrackError, Gone, NotFound
from service.state import redis_keys
from service.state.blobs import BlobStore
from service.state.cache_index import CacheIndex
from service.state.job import FORMAT, JobState
from service.state.videos import Video, VideoStore
from tests.contract.state.bench import BROKEN, Bench

pytestmark = pytest.mark.anyio


async def test_waiting_job_ends_at_once(bench: Bench) -> None:
    job_id = await bench.waiting()
    job = await bench.store().cancel(job_id)
    assert job == await bench.store().get(job_id)
    assert (job.state, job.cancel_requested, job.version) == (JobState.CANCELED, True, 2)
    assert job.finished_at is not None
    assert await bench.members(redis_keys.QUEUED) == []
    assert await bench.counted() == {"jobs:canceled": "1"}


async def test_running_job_gets_the_request(bench: Bench) -> None:
    store, job_id = bench.store(), await bench.running()
    job = await store.cancel(job_id)
    assert (job.state, job.cancel_requested, job.version) == (JobState.RUNNING, True, 3)
    assert await bench.counted() == {}
    assert await store.progress(job_id, 1, None) == "cancel"


@pytest.mark.parametrize("end", ["commit", "fail", "canceled", "cancel"])
async def test_job_that_has_ended_stays_as_it_is(bench: Bench, end: str) -> None:
    store, job_id = bench.store(), await (bench.waiting() if end == "cancel" else bench.running())
    match end:
        case "commit":
            await store.commit(job_id, 1, "results/1")
        case "fail":
            await store.fail(job_id, 1, {"code": "malformed", "detail": "bad"})
        case "canceled":
            await store.confirm_cancel(job_id, 1)
        case "cancel":
            await store.cancel(job_id)
    job, before = await store.get(job_id), await bench.held()
    assert await store.cancel(job_id) == job
    assert await bench.held() == before


@pytest.mark.parametrize("failure", [None, BROKEN], ids=["worker-stopped", "attempt-failed"])
async def test_release_of_a_canceled_job_ends_it(bench: Bench, failure: DualtrackError | None) -> None:
    store, job_id = bench.store(), await bench.running()
    await store.cancel(job_id)
    assert await store.release(job_id, 1, failure)
    job = await store.get(job_id)
    assert job.state is JobState.CANCELED
    assert job.finished_at is not None
    assert await store.counts() == {"queued": 0, "running": 0}
    assert bench.delivered == [(job_id, f"{job_id}:0")]
    assert (await bench.counted())["jobs:canceled"] == "1"


async def test_canceled_job_whose_worker_died_is_not_begun_again(bench: Bench) -> None:
    store, job_id = bench.store(), await bench.running()
    await store.cancel(job_id)
    await bench.die(job_id)
    assert await store.begin(job_id) is None
    job = await store.get(job_id)
    assert (job.state, job.attempt) == (JobState.CANCELED, 1)
    assert job.finished_at is not None
    assert await store.counts() == {"queued": 0, "running": 0}
    assert await bench.counted() == {"failures:service:worker-died": "1", "jobs:canceled": "1"}


@pytest.fixture
async def videos(bench: Bench, tmp_path: Path) -> VideoStore:
    """A store with one video, whose id is `video`."""
    blobs = BlobStore(tmp_path / "blobs")
    path = blobs.path("video")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"content")
    store = VideoStore(bench.redis, blobs, CacheIndex(bench.redis, tmp_path / "cache", ttl_s=60), ttl_s=60)
    await store.add(Video("video", 7, None, {}, time.time()))
    return store


async def test_jobs_end_with_their_video(bench: Bench, videos: VideoStore) -> None:
    store, waiting, running = bench.store(), await bench.waiting(), await bench.running()
    other, _ = await store.create("another video", {})
    await videos.delete("video")
    assert await bench.members(redis_keys.QUEUED) == [other.id]
    assert await store.progress(running, 1, None) == "cancel"
    assert await bench.counted() == {"jobs:canceled": "1"}
    for call in (store.get, store.cancel):
        for job_id in (waiting, running):
            with pytest.raises(Gone):
                await call(job_id)
    assert await store.get(other.id) == other
    with pytest.raises(NotFound):
        await videos.get("video")


async def test_jobs_that_have_expired_do_not_keep_a_video(bench: Bench, videos: VideoStore) -> None:
    await bench.redis.delete(redis_keys.job(await bench.waiting()))
    await videos.delete("video")
    assert await bench.counted() == {}


async def test_a_job_of_a_newer_version_does_not_keep_a_video_and_is_left_as_it_is(
    bench: Bench, videos: VideoStore
) -> None:
    job_id = await bench.waiting()
    await bench.redis.hset(redis_keys.job(job_id), "format", str(FORMAT + 1))
    before = await bench.redis.hgetall(redis_keys.job(job_id))
    await videos.delete("video")
    assert await bench.redis.hgetall(redis_keys.job(job_id)) == before
    assert await bench.members(redis_keys.QUEUED) == [job_id]

"""Artifacts go with their owner, at the latest; a change of a job's artifact is a change of the job."""

import asyncio
from pathlib import Path

import pytest

from service.state import redis_keys
from service.state.artifact import OF_JOB, OF_VIDEO, ArtifactKey
from service.state.blobs import BlobStore
from service.state.cache_index import CacheIndex
from service.state.job import JobState
from service.state.jobs import JobStore
from service.state.videos import VideoStore
from tests.contract.state.artifacts.calls import CALLS, PROGRESS, REFUSED
from tests.contract.state.bench import Bench

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("owner", [OF_JOB, OF_VIDEO])
async def test_it_expires_no_later_than_its_owner(bench: Bench, owner: str) -> None:
    name = await bench.running_artifact(owner)
    kind, owner_id = name.split(":")[:2]
    at = await bench.redis.pexpiretime(redis_keys.job(owner_id) if kind == OF_JOB else redis_keys.video(owner_id))
    for key in (redis_keys.artifact(name), redis_keys.artifacts_of(f"{kind}:{owner_id}")):
        assert 0 < await bench.redis.pexpiretime(key) <= at


async def test_nothing_refers_to_an_expired_one(bench: Bench) -> None:
    job, _ = await bench.store(ttl_s=1).create("video", {})
    key = ArtifactKey(f"{OF_JOB}:{job.id}", "overlay")
    await bench.begin(job.id)
    assert await bench.store().commit(job.id, 1, "results/1", [key])
    while await bench.redis.exists(redis_keys.job(job.id)):  # noqa: ASYNC110 (the server sends no event when a key expires)
        await asyncio.sleep(0.05)
    assert await bench.artifacts().begin(key.name) is None
    held = await bench.held()
    held.pop(redis_keys.owner_events(redis_keys.OWNER))  # bounded history
    assert key.name not in repr(held)


@pytest.mark.parametrize("state", ["waiting", "running", "commit", "fail"])
async def test_it_is_deleted_with_the_video(bench: Bench, state: str, tmp_path: Path) -> None:
    videos = await bench.stored_video(tmp_path)
    blobs = BlobStore(tmp_path / "blobs")
    names = [await bench.waiting_artifact()]
    names.append((await bench.artifacts().create(ArtifactKey(f"{OF_VIDEO}:video", "preview"))).name)
    for name in names:
        if state != "waiting":
            await bench.begin_artifact(name)
        if state in CALLS:
            await CALLS[state](bench.artifacts(), name, 1)
        folder = blobs.artifact_folder(name, 1)
        folder.mkdir(parents=True)
        (folder / "file").touch()
    await videos.delete("video")
    assert not [key for key in await bench.held() if "artifact" in key]
    for name in names:
        for call, refused in REFUSED.items():
            assert await CALLS[call](bench.artifacts(), name, 1) == refused
        assert await bench.artifacts().begin(name) is None
        assert await bench.artifacts().of(":".join(name.split(":")[:2])) == []
    assert await bench.artifacts().counts() == {"waiting": 0, "running": 0}
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


async def test_files_of_attempts(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    name, other = ArtifactKey("job:1", "overlay").name, ArtifactKey("job:1", "overlay", {"a": 1}).name
    for each, attempt in ((name, 1), (name, 2), (other, 1)):
        blobs.artifact_folder(each, attempt).mkdir(parents=True)
    await blobs.keep_artifact(name, 2)
    assert [blobs.artifact_folder(name, attempt).exists() for attempt in (1, 2)] == [False, True]
    await blobs.remove_artifact(name, 2)
    assert blobs.artifact_folder(other, 1).exists()
    await blobs.remove_artifact(other, 1)
    assert list((tmp_path / "artifacts").iterdir()) == []
    blobs.artifact_folder(name, 1).mkdir(parents=True)
    blobs.sweep(600)
    assert blobs.artifact_folder(name, 1).exists()
    blobs.sweep(-1)
    assert list((tmp_path / "artifacts").iterdir()) == []


async def test_each_change_is_one_event_of_the_job(bench: Bench) -> None:
    store, name = bench.artifacts(), await bench.running_artifact()
    for call in ("progress", "progress", "release"):
        await CALLS[call](store, name, 1)
    await bench.begin_artifact(name)
    assert await store.commit(name, 2, "file", 7)
    events = await bench.events(name.split(":")[1])
    states = ["waiting", "running", "running", "waiting", "running", "done"]
    assert [event["artifact_state"] for event in events if "artifact" in event] == states
    assert {event["artifact"] for event in events if "artifact" in event} == {name}
    assert {event["state"] for event in events[3:]} == {JobState.DONE}


async def test_changes_of_a_videos_artifact_are_no_events(bench: Bench) -> None:
    name = await bench.running_artifact(OF_VIDEO)
    await bench.artifacts().progress(name, 1, PROGRESS)
    assert await bench.redis.exists(redis_keys.owner_events(redis_keys.OWNER)) == 0


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks again without an event."""
    monkeypatch.setattr("service.state.jobs.LOOK_AGAIN_S", 3600.0)


async def _polls(store: JobStore, job_id: str, version: int) -> "asyncio.Task[object]":
    task: asyncio.Task[object] = asyncio.create_task(store.wait(job_id, 600, version=version))
    await asyncio.sleep(0.1)
    return task


@pytest.mark.usefixtures("patient")
async def test_a_long_poll_follows_the_artifacts_of_a_done_job(bench: Bench) -> None:
    store, name = bench.store(), await bench.waiting_artifact()
    job = await store.get(name.split(":")[1])
    poll = await _polls(store, job.id, job.version)
    assert not poll.done()
    await bench.begin_artifact(name)
    assert (await poll).version == job.version + 1  # type: ignore[attr-defined]
    poll = await _polls(store, job.id, job.version + 1)
    assert not poll.done()
    await bench.artifacts().commit(name, 1, "file", 7)
    assert (await poll).open_artifacts == 0  # type: ignore[attr-defined]
    # nothing more will change, and the job itself ended long ago
    assert (await store.wait(job.id, 600, version=job.version + 2)).version == job.version + 2
    assert (await store.wait(job.id, 600)).version == job.version + 2
    await store.close()


async def test_deleting_a_video_without_artifacts_leaves_those_of_others(bench: Bench, tmp_path: Path) -> None:
    name = await bench.waiting_artifact()
    (tmp_path / "content").write_bytes(b"content")
    cache = CacheIndex(bench.redis, tmp_path / "cache", ttl_s=60)
    other = VideoStore(bench.redis, BlobStore(tmp_path / "blobs"), cache, ttl_s=60)
    await bench.redis.set(redis_keys.video("other"), '{"id": "other", "size_bytes": 1, "filename": null, "info": {}, "created_at": 1}')  # fmt: skip
    await other.delete("other")
    assert (await bench.artifacts().get(name)).name == name
    assert await bench.artifacts().counts() == {"waiting": 1, "running": 0}

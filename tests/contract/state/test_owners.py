"""One file, several owners: what one of them removes or fails to store never takes a file from another one."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dualtrack.errors import Gone, NotFound, TooLarge
from service.state import redis_keys, videos
from service.state.blobs import BlobStore
from service.state.cache_index import CacheIndex
from service.state.detections import DetectionsStore
from service.state.job import JobState
from service.state.videos import Video, VideoStore
from tests.contract.state.bench import Bench

pytestmark = pytest.mark.anyio

TTL_S = 600


@dataclass
class Stores:
    """The stores on one folder and one Valkey, as each process has them."""

    bench: Bench
    folder: Path

    def __post_init__(self) -> None:
        self.blobs = BlobStore(self.folder / "blobs")
        cache = CacheIndex(self.bench.redis, self.folder / "cache", ttl_s=TTL_S)
        self.videos = VideoStore(self.bench.redis, self.blobs, cache, ttl_s=TTL_S)
        self.detections = DetectionsStore(self.bench.redis, self.blobs, ttl_s=TTL_S)

    async def upload(self, content: str) -> tuple[Video, bool]:
        """Store a video as a request does."""
        async with self.blobs.receive(chunks(content), max_bytes=100) as received:
            video = Video(received.sha256, received.size, None, {}, time.time())
            return await self.videos.add(video, received.path)

    async def job(self, video: str, detections: str | None = None) -> str:
        """A job on a stored video, with detections of its own if they are given."""
        store = self.bench.store()
        if detections is None:
            return (await store.create(video, {}))[0].id
        async with (
            self.blobs.receive(chunks(detections), max_bytes=100) as received,
            self.detections.held(received.sha256, received.path),
        ):
            return (await store.create(video, {}, detections=received.sha256))[0].id

    def files(self) -> list[str]:
        """What the published files hold, and how many private ones there are."""
        paths = [path for path in self.blobs.root.rglob("*") if path.is_file()]
        return sorted("private" if path.suffix == ".part" else path.read_text() for path in paths)


@pytest.fixture
def stores(bench: Bench, tmp_path: Path) -> Stores:
    return Stores(bench, tmp_path)


async def chunks(content: str) -> AsyncIterator[bytes]:
    yield content.encode()


def sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


async def test_detections_of_two_videos_stay_until_both_are_deleted(stores: Stores) -> None:
    videos = [(await stores.upload(name))[0].id for name in "ab"]
    for video in videos:
        await stores.job(video, "given")
    await stores.videos.delete(videos[0])
    assert (await stores.detections.path(sha256("given"))).read_text() == "given"
    await stores.videos.delete(videos[1])
    with pytest.raises(NotFound):
        await stores.detections.path(sha256("given"))
    assert stores.files() == []
    assert not [key for key in await stores.bench.held() if "detections" in key]


async def test_detections_of_two_jobs_of_one_video_go_with_it(stores: Stores) -> None:
    video, _ = await stores.upload("a")
    for _ in range(2):
        await stores.job(video.id, "given")
    await stores.videos.delete(video.id)
    assert stores.files() == []


async def test_an_expired_job_does_not_keep_detections(stores: Stores) -> None:
    video, _ = await stores.upload("a")
    expired = await stores.job("video", "given")
    await stores.bench.redis.zadd(redis_keys.detections_owners(sha256("given")), {expired: 1})
    await stores.job(video.id, "given")
    await stores.videos.delete(video.id)
    assert stores.files() == []


async def test_a_video_and_a_file_of_detections_of_the_same_bytes_are_two_files(stores: Stores) -> None:
    await stores.job("video", "same")
    same, new = await stores.upload("same")
    assert new
    await stores.videos.delete(same.id)
    assert (await stores.detections.path(same.id)).read_text() == "same"


async def test_what_is_refused_leaves_nothing(stores: Stores) -> None:
    for content, error in [("x" * 101, TooLarge), ("x", ValueError)]:
        with pytest.raises(error):
            async with stores.blobs.receive(chunks(content), max_bytes=100):
                raise ValueError("refused")
    assert stores.files() == []


async def test_detections_of_a_job_that_was_not_made_go(stores: Stores) -> None:
    async with (
        stores.blobs.receive(chunks("given"), max_bytes=100) as received,
        stores.detections.held(received.sha256, received.path) as path,
    ):
        assert path.read_text() == "given"
    assert stores.files() == []
    with pytest.raises(NotFound):
        await stores.detections.path(sha256("given"))


async def test_a_request_that_fails_leaves_the_file_to_the_job_that_has_it(stores: Stores) -> None:
    await stores.job("video", "given")
    async with stores.detections.held(sha256("given")):
        pass
    async with (
        stores.blobs.receive(chunks("given"), max_bytes=100) as received,
        stores.detections.held(received.sha256, received.path),
    ):
        pass
    assert stores.files() == ["given"]
    assert (await stores.detections.path(sha256("given"))).read_text() == "given"


async def test_held_detections_outlive_the_video_of_their_job(stores: Stores) -> None:
    video, _ = await stores.upload("a")
    await stores.job(video.id, "given")
    async with stores.detections.held(sha256("given")) as path:
        await stores.videos.delete(video.id)
        assert path.read_text() == "given"
        await stores.bench.store().create("another", {}, detections=sha256("given"))
    assert (await stores.detections.path(sha256("given"))).read_text() == "given"


async def test_detections_that_nobody_holds_any_more_make_no_job(stores: Stores) -> None:
    before = await stores.bench.held()
    with pytest.raises(NotFound) as raised:
        await stores.bench.store().create("video", {}, detections=sha256("given"))
    assert raised.value.code == "unknown-detections"
    assert await stores.bench.held() == before
    with pytest.raises(NotFound):
        async with stores.detections.held(sha256("given")):
            pass


async def test_a_lost_file_is_replaced_by_the_next_upload(stores: Stores) -> None:
    first, _ = await stores.upload("a")
    job = await stores.job(first.id, "given")
    for path in [path for path in stores.blobs.root.rglob("*") if path.is_file()]:
        path.unlink()
    with pytest.raises(NotFound):
        await stores.videos.get(first.id)
    with pytest.raises(NotFound):
        await stores.detections.path(sha256("given"))
    assert (await stores.upload("a"))[1]
    await stores.job(first.id, "given")
    assert stores.files() == ["a", "given"]
    assert (await stores.detections.path(sha256("given"))).read_text() == "given"
    assert (await stores.bench.store().get(job)).state is JobState.QUEUED


async def test_equal_uploads_at_once_are_one_video(stores: Stores) -> None:
    answers = await asyncio.gather(*(stores.upload("a") for _ in range(50)))
    assert sorted(new for _, new in answers) == [False] * 49 + [True]
    assert len({video.file for video, _ in answers}) == 1
    assert stores.files() == ["a"]
    assert (await stores.upload("a")) == (answers[0][0], False)


async def test_an_upload_while_the_same_video_is_deleted_is_good(stores: Stores) -> None:
    async def delete() -> None:
        try:
            await stores.videos.delete(sha256("a"))
        except NotFound:
            await asyncio.sleep(0)

    for _ in range(20):
        await asyncio.gather(stores.upload("a"), delete(), stores.upload("a"), delete(), stores.upload("a"))
        try:
            video = await stores.videos.get(sha256("a"))
        except NotFound:
            assert stores.files() == []
        else:
            assert stores.files() == ["a"]
            assert stores.videos.path(video).read_text() == "a"


async def test_a_deletion_in_the_middle_removes_only_what_was_there_before_it(stores: Stores) -> None:
    first, _ = await stores.upload("a")
    async with stores.blobs.receive(chunks("a"), max_bytes=100) as received:
        await stores.videos.delete(first.id)
        again, new = await stores.videos.add(Video(received.sha256, 1, None, {}, time.time()), received.path)
    assert new
    assert stores.videos.path(await stores.videos.get(again.id)).read_text() == "a"


@pytest.mark.parametrize("state", [JobState.DONE, JobState.QUEUED])
async def test_jobs_of_a_deleted_video_do_not_come_back_with_it(stores: Stores, state: JobState) -> None:
    store, (video, _) = stores.bench.store(), await stores.upload("a")
    old = await stores.job(video.id)
    if state is JobState.DONE:
        await store.begin(old)
        assert await store.commit(old, 1, f"results/{old}/1")
    await stores.videos.delete(video.id)
    await stores.upload("a")
    for call in (store.get, store.cancel):
        with pytest.raises(Gone):
            await call(old)
    assert await store.begin(old) is None
    new = await stores.job(video.id)
    assert (await store.get(new)).state is JobState.QUEUED


async def test_a_job_whose_video_is_deleted_while_it_runs_has_no_result(stores: Stores) -> None:
    store, (video, _) = stores.bench.store(), await stores.upload("a")
    job_id = await stores.job(video.id)
    await store.begin(job_id)
    await stores.videos.delete(video.id)
    await stores.upload("a")
    assert not await store.commit(job_id, 1, f"results/{job_id}/1")
    assert await store.confirm_cancel(job_id, 1)
    assert await stores.bench.counted() == {"jobs:canceled": "1"}
    with pytest.raises(Gone):
        await store.get(job_id)


async def test_deleting_what_is_not_there(stores: Stores) -> None:
    with pytest.raises(NotFound):
        await stores.videos.delete(sha256("a"))
    assert await stores.bench.held() == {}


async def test_a_video_whose_job_was_not_made_is_dropped_unless_somebody_else_has_it(stores: Stores) -> None:
    video, _ = await stores.upload("a")
    await stores.videos.drop(video)
    assert stores.files() == []
    assert await stores.bench.redis.keys() == []
    # it was not deleted by anybody: jobs can be created
    for shared in ("again", "job"):
        video, _ = await stores.upload("a")
        if shared == "again":
            await stores.upload("a")
        else:
            await stores.job(video.id)
        await stores.videos.drop(video)
        assert await stores.videos.get(video.id) == video
        await stores.videos.delete(video.id)
    assert stores.files() == []
    # the record of another upload, after a deletion
    new, _ = await stores.upload("a")
    await stores.videos.drop(video)
    assert await stores.videos.get(new.id) == new


async def test_a_deletion_that_was_cut_off_is_finished(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    video, _ = await stores.upload("a")
    job_id = await stores.job(video.id, detections="d")
    result = stores.blobs.result_folder(job_id, 1)
    result.mkdir(parents=True)
    (result / "result.jsonl").write_text("r")
    with monkeypatch.context() as killed:
        # a process that is killed removes nothing more
        killed.setattr(stores.blobs, "delete", None)
        with pytest.raises(TypeError):
            await stores.videos.delete(video.id)
    await stores.videos.finish_deletions()
    assert stores.files() == ["a", "d", "r"], "another process may be at it"
    again, _ = await stores.upload("a")
    monkeypatch.setattr(videos, "DELETION_S", -1.0)
    await stores.videos.finish_deletions()
    assert stores.files() == ["a"], "that of the new upload"
    assert await stores.videos.get(video.id) == again
    assert await stores.bench.redis.exists(redis_keys.REMOVALS) == 0


async def test_an_upload_is_good_although_its_video_is_deleted_at_once(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stores.videos._add

    async def store_and_delete(**arguments: list[str]) -> str:
        record: str = await store(**arguments)
        await stores.videos.delete(hashlib.sha256(b"clip").hexdigest())
        return record

    monkeypatch.setattr(stores.videos, "_add", store_and_delete)
    video, new = await stores.upload("clip")
    assert new
    assert stores.files() == []
    with pytest.raises(NotFound):
        await stores.videos.get(video.id)

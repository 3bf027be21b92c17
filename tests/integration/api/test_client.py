"""The Python client against a real API."""

import asyncio
import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from dualtrack.client.async_client import AsyncClient
from dualtrack.client.client import Client
from dualtrack.client.job import Job, JobSummary
from dualtrack.digest import sha256_of
from dualtrack.errors import (
    Conflict,
    InvalidInput,
    InvalidParameter,
    InvalidVideo,
    NotFound,
    Overloaded,
    Unauthorized,
    Unavailable,
)
from dualtrack.progress import Progress
from service.cli.submit import fetch_overlay, run_job
from service.state import redis_keys
from service.state.job import JobProgress
from service.wiring import Parts
from tests.integration.api.api_service import Api, be_unsure, clip, draw, finish, progress, running
from tests.support.patience import PATIENCE_S


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(tmp_path_factory.mktemp("client"), api_key="s3cret", max_queue=1) as api:
        yield api


@pytest.fixture
def client(api: Api) -> Iterator[Client]:
    with Client(api.url, api_key="s3cret", retry_s=0) as client:
        yield client


def test_submit_wait_result_overlay(api: Api, client: Client, tmp_path: Path) -> None:
    job = client.submit(clip(tmp_path / "a.mp4"), th_det=0.3)
    seen: list[Progress] = []
    half = threading.Event()

    def work() -> None:
        api.act(partial(progress, job_id=job.id, done=2))
        assert half.wait(PATIENCE_S)
        api.act(partial(finish, job_id=job.id))

    def see(latest: Progress) -> None:
        seen.append(latest)
        if latest.done == 2:
            half.set()

    worker = threading.Thread(target=work)
    worker.start()
    done = client.wait(job, see, timeout_s=PATIENCE_S)
    worker.join()
    assert (job.summary, done.state) == (None, "done")
    assert done.summary == JobSummary(tubelets=0, left_out=0, max_seeds_reached=False)
    assert (seen[-1].done, seen[-1].fraction) == (4, 1.0)
    assert done.result() == client.result(job.id)
    assert done.result().tubelets == ()
    assert json.loads(client.download(job.id, "ytvis", tmp_path / "y.json").read_text()) == []
    assert done.download("overlay-mp4", tmp_path / "o.mp4").read_bytes() == bytes(range(100))


def test_records_of_several_classes_or_of_one_are_downloaded(api: Api, client: Client, tmp_path: Path) -> None:
    job = client.submit(clip(tmp_path / "a.mp4"))
    api.act(partial(finish, job_id=job.id))
    api.act(partial(be_unsure, job_id=job.id))
    several = json.loads(client.download(job, "ytvis", tmp_path / "several.json").read_text())
    assert [each["category_id"] for each in several] == [18, 17]
    one = client.job(job).download("ytvis", tmp_path / "one.json", single_class=True)
    assert json.loads(one.read_text()) == several[:1]

    async def again() -> Path:
        async with AsyncClient(api.url, api_key="s3cret") as other:
            found = await other.job(job.id)
            return await found.download("ytvis", tmp_path / "again.json", single_class=True)

    assert asyncio.run(again()).read_bytes() == one.read_bytes()


def test_submit_writes_what_segment_writes(api: Api, client: Client, tmp_path: Path) -> None:
    async def finish_the_next(parts: Parts) -> None:
        _, job_id, _ = await parts.redis.bzpopmin(redis_keys.QUEUED, timeout=PATIENCE_S)
        await finish(parts, job_id)

    worker = threading.Thread(target=api.act, args=(finish_the_next,))
    worker.start()
    job, _ = run_job(client, api.url, clip(tmp_path / "a.mp4", seed=2), tmp_path / "out", {})
    worker.join()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"tubelets.json", "ytvis.json"}
    fetch_overlay(client, job, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"tubelets.json", "ytvis.json", "overlay.mp4"}


async def undrawn(parts: Parts, job_id: str) -> str:
    """End a job whose overlay is still to be drawn; the overlay's name."""
    await finish(parts, job_id, drawn=False)
    (artifact,) = await parts.artifacts.of(f"job:{job_id}")
    return artifact.name


def test_download_waits_for_the_overlay(api: Api, client: Client, tmp_path: Path) -> None:
    job = client.submit(clip(tmp_path / "a.mp4", seed=3))
    name = api.act(partial(undrawn, job_id=job.id))
    done = client.wait(job)
    assert [(each.kind, each.state) for each in done.artifacts] == [("overlay", "waiting")]
    with pytest.raises(Unavailable, match=r"expected its overlay within 0\.1 s, got state waiting") as late:
        done.download("overlay-mp4", tmp_path / "o.mp4", timeout_s=0.1)
    assert late.value.code == "timeout"
    assert not (tmp_path / "o.mp4").exists()

    async def work(parts: Parts) -> None:
        artifact = await parts.artifacts.begin(name)
        assert artifact is not None
        await parts.artifacts.progress(name, 1, JobProgress("render", 1, 4, 0.25, 2.0, 1.5))
        assert await asyncio.to_thread(shown.wait, PATIENCE_S)
        await parts.artifacts.release(name, 1)
        await draw(parts, name)

    seen: list[Progress] = []
    shown = threading.Event()

    def see(latest: Progress) -> None:
        seen.append(latest)
        shown.set()

    worker = threading.Thread(target=api.act, args=(work,))
    worker.start()
    path = client.download(job.id, "overlay-mp4", tmp_path / "o.mp4", on_progress=see)
    worker.join()
    assert path.read_bytes() == bytes(range(100))
    assert seen[0] == Progress("render", 1, 4, 0.25, 2.0, 1.5)
    assert (seen[-1].done, seen[-1].fraction, seen[-1].eta_s) == (4, 1.0, 0.0)
    assert client.job(job).artifacts[0].size_bytes == 100


def test_an_overlay_that_failed_is_named_and_requested_again(api: Api, client: Client, tmp_path: Path) -> None:
    job = client.submit(clip(tmp_path / "a.mp4", seed=4))
    name = api.act(partial(undrawn, job_id=job.id))

    async def fail_it(parts: Parts) -> None:
        await parts.artifacts.begin(name)
        await parts.artifacts.fail(name, 1, {"code": "decode-failed", "detail": "frame 3 is broken"})

    api.act(fail_it)
    with pytest.raises(Conflict, match="its overlay failed: decode-failed: frame 3 is broken") as failed:
        client.download(job, "overlay-mp4", tmp_path / "o.mp4")
    assert failed.value.code == "artifact-failed"
    assert client.job(job).artifacts[0].error == {"code": "decode-failed", "detail": "frame 3 is broken"}
    assert client.result(job).tubelets == ()
    assert job.create_artifact().state == "waiting"
    api.act(partial(draw, name=name))
    assert client.download(job, "overlay-mp4", tmp_path / "o.mp4").exists()
    with pytest.raises(InvalidParameter, match="kind"):
        client.create_artifact(job, "zip")


def test_the_job_of_a_service_without_artifacts(api: Api, client: Client, tmp_path: Path) -> None:
    job = client.submit(clip(tmp_path / "a.mp4", seed=5))
    with api.http(headers={"Authorization": "Bearer s3cret"}) as http:
        document = http.get(f"/v1/jobs/{job.id}").json()
    job.cancel()
    del document["artifacts"]
    assert Job.of(document, client).artifacts == ()


def test_errors_are_ours(api: Api, client: Client, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(InvalidVideo):
        client.submit(text)
    path = clip(tmp_path / "a.mp4", seed=1)
    with pytest.raises(InvalidParameter, match="th_nothing"):
        client.submit(path, th_nothing=1)
    with pytest.raises(NotFound):
        client.job("0" * 32)
    job = client.submit(path)
    with pytest.raises(Conflict):
        client.result(job)
    with pytest.raises(Conflict):
        client.download(job, "overlay-mp4", tmp_path / "o.mp4")
    with pytest.raises(Overloaded):
        client.submit(path)
    with pytest.raises(Unavailable, match="expected it to end"):
        client.wait(job, timeout_s=0.2)
    assert client.cancel(job).state == "canceled"
    with Client(api.url, retry_s=0) as stranger, pytest.raises(Unauthorized):
        stranger.models()
    with Client("http://127.0.0.1:9", retry_s=0) as nowhere, pytest.raises(Unavailable):
        nowhere.models()


def test_the_same_by_asyncio(api: Api, tmp_path: Path) -> None:
    video = clip(tmp_path / "a.mp4", seed=7)

    async def act() -> None:
        async with AsyncClient(api.url, api_key="s3cret", retry_s=0) as client:
            # refused before the video is sent
            with pytest.raises(InvalidParameter, match="th_nothing"):
                await client.submit(video, th_nothing=1)  # type: ignore[call-arg]
            with pytest.raises(NotFound):
                await client.delete_video("0" * 64)
            assert await client.upload(video) == await client.upload(video)
            job = await client.submit(video, th_det=0.3)
            with pytest.raises(Conflict):
                await job.result()
            with pytest.raises(Unavailable, match="expected it to end"):
                await job.wait(timeout_s=0.2)
            ending = asyncio.to_thread(api.act, partial(finish, job_id=job.id))
            done, _ = await asyncio.gather(job.wait(timeout_s=PATIENCE_S), ending)
            assert (await done.result()).tubelets == ()
            assert done.summary == JobSummary(tubelets=0, left_out=0, max_seeds_reached=False)
            path = await done.download("overlay-mp4", tmp_path / "o.mp4")
            assert path.read_bytes() == bytes(range(100))
            assert (await done.create_artifact()).state == "done"
            with pytest.raises(InvalidParameter, match="format: expected one of coco-rle"):
                await done.download("avi", tmp_path / "o.avi")
            assert (await done.cancel()).state == "done"
            await client.delete_video(job.video_id)

    asyncio.run(act())
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "o.mp4"}


def test_wrong_parameters_are_refused_before_the_video_is_sent(client: Client, tmp_path: Path) -> None:
    video = clip(tmp_path / "a.mp4", seed=8)
    with pytest.raises(InvalidParameter, match="th_nothing"):
        client.submit(video, th_nothing=1)  # type: ignore[call-arg]
    with pytest.raises(NotFound):
        client.delete_video(sha256_of(video))


@pytest.mark.parametrize("given", ["video", "detections"])
def test_a_file_that_is_not_there_is_named(client: Client, tmp_path: Path, given: str) -> None:
    video, nowhere = clip(tmp_path / "a.mp4", seed=9), tmp_path / "nowhere"
    with pytest.raises(InvalidInput, match=f"^{given}: expected a file, got {nowhere}$"):
        client.submit(nowhere if given == "video" else video, detections=nowhere if given == "detections" else None)

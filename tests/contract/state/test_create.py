"""A new job, the same request again, and a queue without room."""

import pytest

from dualtrack.errors import Conflict, Overloaded
from service.state import redis_keys
from service.state.job import JobState
from tests.contract.state.bench import Bench

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("detections", [None, "sha256"])
async def test_new_job_waits(bench: Bench, detections: str | None) -> None:
    await bench.give_detections()
    job, new = await bench.store(ttl_s=60).create("video", {"th_det": 0.5}, detections=detections)
    assert new
    assert job == await bench.store().get(job.id)
    assert (job.state, job.attempt, job.version) == (JobState.QUEUED, 0, 1)
    assert (job.video_id, job.parameters, job.detections) == ("video", {"th_det": 0.5}, detections)
    assert await bench.members(redis_keys.QUEUED) == [job.id]
    assert bench.delivered == [(job.id, f"{job.id}:0")]
    assert 0 < await bench.redis.ttl(redis_keys.job(job.id)) <= 60


async def test_a_job_knows_its_request(bench: Bench) -> None:
    job, _ = await bench.store().create("video", {}, request_id="r-1")
    assert (job.request_id, (await bench.begin(job.id)).request_id) == ("r-1", "r-1")
    other, _ = await bench.store().create("video", {})
    assert other.request_id is None


async def test_without_a_key_every_request_is_a_job_of_its_own(bench: Bench) -> None:
    assert await bench.waiting(fingerprint="f") != await bench.waiting(fingerprint="f")


@pytest.mark.parametrize("fingerprint", ["f", "with|bar", ""])
async def test_same_request_again_is_the_same_job(bench: Bench, fingerprint: str) -> None:
    store, asked = bench.store(), {"idempotency_key": "k", "fingerprint": fingerprint}
    first, _ = await store.create("video", {}, **asked)
    before = await bench.held()
    assert await store.create("video", {}, **asked) == (first, False)
    assert await bench.held() == before
    # the first try may have died before it handed the job to the queue
    assert bench.delivered == [(first.id, f"{first.id}:0")] * 2


async def test_same_request_again_after_the_job_has_begun(bench: Bench) -> None:
    asked = {"idempotency_key": "k", "fingerprint": "f"}
    job_id = await bench.waiting(**asked)
    begun = await bench.begin(job_id)
    bench.delivered.clear()
    assert await bench.store().create("video", {}, **asked) == (begun, False)
    assert bench.delivered == []


async def test_key_of_another_request(bench: Bench) -> None:
    await bench.waiting(idempotency_key="k", fingerprint="f")
    before = await bench.held()
    with pytest.raises(Conflict) as raised:
        await bench.store().create("video", {}, idempotency_key="k", fingerprint="g")
    assert raised.value.code == "idempotency-key-reused"
    assert await bench.held() == before


async def test_full_queue(bench: Bench) -> None:
    store = bench.store(max_queue=2)
    known = await bench.waiting(idempotency_key="k")
    await bench.waiting()
    before, delivered = await bench.held(), [*bench.delivered]
    for key in (None, "another"):
        with pytest.raises(Overloaded):
            await store.create("video", {}, idempotency_key=key)
    assert await bench.held() == before
    assert bench.delivered == delivered
    assert (await store.create("video", {}, idempotency_key="k"))[0].id == known


async def test_room_again_after_a_job_has_begun(bench: Bench) -> None:
    await bench.running()
    _, new = await bench.store(max_queue=1).create("video", {})
    assert new


async def test_how_long_the_oldest_has_waited(bench: Bench) -> None:
    assert await bench.store().oldest_queued_s() == 0
    job_id = await bench.waiting()
    await bench.waiting()
    await bench.redis.zadd(redis_keys.QUEUED, {job_id: 0})
    assert await bench.store().oldest_queued_s() > 1e9

"""A job goes after its time to live, and nothing that refers to it stays longer or blocks new jobs."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dualtrack.errors import NotFound, Overloaded
from service.state import redis_keys
from service.state.job import JobState
from tests.contract.state.bench import Bench

pytestmark = pytest.mark.anyio

ASKED = {"idempotency_key": "k", "fingerprint": "f"}


async def expired(bench: Bench) -> str:
    """A job whose time was up."""
    job, _ = await bench.store(ttl_s=1).create("video", {}, **ASKED)
    while await bench.redis.exists(redis_keys.job(job.id)):  # noqa: ASYNC110 (the server sends no event when a key expires)
        await asyncio.sleep(0.05)
    return job.id


async def evicted(bench: Bench) -> str:
    """A job that went before its key, as on a server that makes room."""
    job_id = await bench.waiting(**ASKED)
    await bench.redis.delete(redis_keys.job(job_id))
    return job_id


@pytest.mark.parametrize("end", [expired, evicted])
@pytest.mark.parametrize("fingerprint", ["f", "g"], ids=["same-request", "another-request"])
async def test_key_of_a_job_that_is_gone_is_free(
    bench: Bench, end: Callable[[Bench], Awaitable[str]], fingerprint: str
) -> None:
    gone, store = await end(bench), bench.store()
    job, new = await store.create("video", {}, idempotency_key="k", fingerprint=fingerprint)
    assert new
    assert job.id != gone
    assert job.state is JobState.QUEUED
    assert await store.create("video", {}, idempotency_key="k", fingerprint=fingerprint) == (job, False)


async def test_nothing_refers_to_an_expired_job(bench: Bench) -> None:
    gone = await expired(bench)
    await bench.waiting()
    # what the queue's delivery or the next look for lost jobs does
    assert await bench.store().begin(gone) is None
    held = await bench.held()
    assert gone in repr(held.pop(redis_keys.owner_events(redis_keys.OWNER)))  # bounded history, see test_events.py
    assert gone not in repr(held)


async def test_expired_jobs_do_not_fill_the_queue(bench: Bench) -> None:
    store = bench.store(max_queue=2)
    gone, waits = await evicted(bench), await bench.waiting()
    job, _ = await store.create("video", {})
    assert await bench.members(redis_keys.QUEUED) == [waits, job.id]
    with pytest.raises(Overloaded):
        await store.create("video", {})
    with pytest.raises(NotFound):
        await store.get(gone)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(lambda _job: redis_keys.idempotency("k"), id="idempotency-key"),
        pytest.param(redis_keys.job_checkpoints, id="checkpoints"),
        pytest.param(redis_keys.job_events, id="events"),
    ],
)
async def test_keys_go_with_their_job(bench: Bench, key: Callable[[str], str]) -> None:
    store = bench.store(ttl_s=60)
    job, _ = await store.create("video", {}, **ASKED)
    await bench.begin(job.id)
    # a checkpoint that is reached late in the job's life is kept no longer than the job, whatever the worker's setting
    await bench.store(ttl_s=600).progress(job.id, 1, None, ["checkpoint"])
    assert 0 < await bench.redis.pexpiretime(key(job.id)) <= await bench.redis.pexpiretime(redis_keys.job(job.id))

"""A job that a newer version has written: it is named, and left as it is for a process of that version."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dualtrack.errors import NewerFormat
from service.state import redis_keys
from service.state.job import FORMAT, JobState
from service.state.jobs import JobStore
from tests.contract.state.bench import SILENT, Bench

pytestmark = pytest.mark.anyio

ASKED: dict[str, Any] = {"idempotency_key": "k", "fingerprint": "f"}
Call = Callable[[JobStore, str], Awaitable[object]]


async def begun(bench: Bench) -> str:
    job_id = await bench.waiting(**ASKED)
    await bench.store().begin(job_id, holder="first")
    return job_id


async def waiting(bench: Bench) -> str:
    return await bench.waiting(**ASKED)


@pytest.mark.parametrize("made", [pytest.param(waiting, id="waiting"), pytest.param(begun, id="running")])
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda store, job_id: store.get(job_id), id="get"),
        pytest.param(lambda store, job_id: store.wait(job_id, 0), id="wait"),
        pytest.param(lambda store, job_id: store.cancel(job_id), id="cancel"),
        pytest.param(lambda store, job_id: store.begin(job_id), id="begin"),
        pytest.param(lambda store, job_id: store.begin(job_id, holder="first"), id="begin again"),
        pytest.param(lambda store, _: store.create("video", {}, **ASKED), id="create again"),
    ],
)
async def test_it_is_refused_in_one_line_and_left_as_it_is(
    bench: Bench, call: Call, made: Callable[[Bench], Awaitable[str]]
) -> None:
    job_id = await made(bench)
    await bench.redis.hset(redis_keys.job(job_id), "format", str(FORMAT + 1))
    before, delivered = await bench.held(), [*bench.delivered]
    with pytest.raises(NewerFormat) as raised:
        await call(bench.store(lease_s=SILENT), job_id)
    assert raised.value.code == "newer-format"
    assert raised.value.detail == f"job {job_id}: its format 3 is newer than 2, the newest that this version reads"
    assert await bench.held() == before
    assert bench.delivered == delivered


async def test_it_is_offered_again_until_a_newer_worker_takes_it(bench: Bench) -> None:
    job_id = await bench.waiting()
    await bench.redis.hset(redis_keys.job(job_id), "format", str(FORMAT + 1))
    await bench.redis.zadd(redis_keys.QUEUED, {job_id: 0})
    store = bench.store(lease_s=SILENT)
    for _ in range(2):
        bench.delivered.clear()
        assert await store.reconcile() == [job_id]
        assert bench.delivered == [(job_id, f"{job_id}:0")]
        with pytest.raises(NewerFormat):
            await store.begin(job_id)


async def test_a_job_of_before_formats_had_numbers_is_done(bench: Bench) -> None:
    job_id = await bench.waiting()
    assert await bench.redis.hget(redis_keys.job(job_id), "format") == str(FORMAT)
    await bench.redis.hdel(redis_keys.job(job_id), "format")
    assert (await bench.store().get(job_id)).state is JobState.QUEUED
    assert (await bench.begin(job_id)).attempt == 1
    assert (await bench.store().cancel(job_id)).cancel_requested
    assert await bench.store().confirm_cancel(job_id, 1)
    assert (await bench.store().get(job_id)).state is JobState.CANCELED

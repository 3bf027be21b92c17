"""A caller learns what its own change did, whatever others do before it reads on.

Each call goes through a line that lets nothing further pass once the change is answered, until another has come in between.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from dualtrack.errors import Gone
from service.state import redis_keys
from service.state.job import Job, JobState
from service.state.jobs import JobStore
from tests.contract.state.bench import SILENT, Bench
from tests.contract.state.line import line_to

pytestmark = pytest.mark.anyio

Call = Callable[[JobStore, str], Coroutine[Any, Any, Job | None]]
Between = Callable[[Bench, str], Awaitable[object]]


async def answered(bench: Bench, call: Call, job_id: str, between: Between) -> Job | None:
    """What `call` returns if `between` comes right after its change."""
    async with line_to(bench.url) as (line, redis):
        store = bench.store(redis=redis, lease_s=SILENT)
        await call(store, await bench.waiting())  # the server knows the script: its next answer is that of the change
        line.hold_after_answer = True
        calling = asyncio.create_task(call(store, job_id))
        await line.answered.wait()
        await between(bench, job_id)
        line.go_on.set()
        return await calling


async def expire(bench: Bench, job_id: str) -> None:
    await bench.redis.delete(redis_keys.job(job_id))


async def commit(bench: Bench, job_id: str) -> None:
    assert await bench.store().commit(job_id, 1, "results/1")


@pytest.mark.parametrize(
    "between", [pytest.param(Bench.begin, id="taken-over"), pytest.param(commit, id="ended"), pytest.param(expire)]
)
async def test_begin(bench: Bench, between: Between) -> None:
    job = await answered(bench, JobStore.begin, await bench.waiting(), between)
    assert job is not None
    assert (job.state, job.attempt, job.version) == (JobState.RUNNING, 1, 2)


async def test_two_workers_never_hold_one_attempt(bench: Bench) -> None:
    job_id = await bench.waiting()
    first = await answered(bench, JobStore.begin, job_id, Bench.begin)
    assert first is not None
    assert await bench.store().progress(job_id, first.attempt, None) == "lost"
    assert await bench.store().progress(job_id, 2, None) == "ok"


@pytest.mark.parametrize("between", [Bench.begin, expire])
async def test_create(bench: Bench, between: Between) -> None:
    async def ask(store: JobStore, _job_id: str) -> Job:
        return (await store.create("video", {}, idempotency_key="k"))[0]

    # the job is known: only so is its id known before the call is over
    job_id = await bench.waiting(idempotency_key="k")
    job = await answered(bench, ask, job_id, between)
    assert job is not None
    assert (job.id, job.state, job.attempt) == (job_id, JobState.QUEUED, 0)


async def stop(bench: Bench, job_id: str) -> None:
    assert await bench.store().confirm_cancel(job_id, 1)


@pytest.mark.parametrize("between", [pytest.param(stop, id="ended"), pytest.param(expire)])
async def test_cancel(bench: Bench, between: Between) -> None:
    job = await answered(bench, JobStore.cancel, await bench.running(), between)
    assert job is not None
    assert (job.state, job.cancel_requested, job.version) == (JobState.RUNNING, True, 3)


async def test_no_job_of_a_deleted_video_is_made(bench: Bench) -> None:
    await bench.redis.set(redis_keys.deleted_video("video"), "1")
    before = await bench.held()
    with pytest.raises(Gone):
        await bench.store().create("video", {}, idempotency_key="k")
    assert await bench.held() == before

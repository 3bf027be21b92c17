"""The answer of a change gets lost and the client sends the change again: it is made once, and answered the same."""

from collections.abc import Awaitable, Callable

import pytest

from service.state.jobs import JobStore
from tests.contract.state.bench import SILENT, Bench
from tests.contract.state.line import line_to

pytestmark = pytest.mark.anyio

Call = Callable[[JobStore, str], Awaitable[object]]


@pytest.mark.parametrize("key", [None, "k"])
async def test_create(bench: Bench, key: str | None) -> None:
    async with line_to(bench.url) as (line, redis):
        store = bench.store(redis=redis, max_queue=1)
        await store.cancel(await _loaded(store))
        bench.delivered.clear()
        line.lose_answer = True
        job, new = await store.create("video", {}, idempotency_key=key, fingerprint="f")
        assert not line.lose_answer
    assert new
    assert await bench.store().counts() == {"queued": 1, "running": 0}
    assert bench.delivered == [(job.id, f"{job.id}:0")]


async def test_begin(bench: Bench) -> None:
    async with line_to(bench.url) as (line, redis):
        store = bench.store(redis=redis, lease_s=SILENT)
        await store.begin(await bench.waiting())
        job_id = await bench.waiting()
        line.lose_answer = True
        job = await store.begin(job_id)
        assert not line.lose_answer
    assert job is not None
    assert job.attempt == 1


@pytest.mark.parametrize(
    ("call", "version"),
    [
        pytest.param(lambda store, job_id: store.commit(job_id, 1, "results/1"), 3, id="commit"),
        pytest.param(lambda store, job_id: store.release(job_id, 1), 3, id="release"),
        pytest.param(lambda store, job_id: store.confirm_cancel(job_id, 1), 3, id="canceled"),
    ],
)
async def test_end(bench: Bench, call: Call, version: int) -> None:
    async with line_to(bench.url) as (line, redis):
        store = bench.store(redis=redis)
        assert await call(store, await bench.running())
        job_id = await bench.running()
        line.lose_answer = True
        assert await call(store, job_id)
        assert not line.lose_answer
    assert (await bench.store().get(job_id)).version == version


async def _loaded(store: JobStore) -> str:
    """A job; from now on the server knows the script, and its next answer is that of the change itself."""
    return (await store.create("video", {}))[0].id

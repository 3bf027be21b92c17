"""An attempt from its begin to its end: who gets the job, what counts against it, what is counted."""

from collections.abc import Awaitable, Callable

import pytest

from dualtrack.errors import NotFound
from service.state import redis_keys
from service.state.job import JobProgress, JobState
from tests.contract.state.bench import BROKEN, SILENT, Bench

pytestmark = pytest.mark.anyio

PROGRESS = JobProgress(stage="track", done=1, total=4, fraction=0.5, rate=2.0, eta_s=3.5)
MALFORMED = {"code": "malformed", "detail": "frame 3 is broken"}


async def test_begin(bench: Bench) -> None:
    job_id = await bench.waiting()
    job = await bench.store().begin(job_id)
    assert job is not None
    assert job == await bench.store().get(job_id)
    assert (job.state, job.attempt, job.progress, job.version) == (JobState.RUNNING, 1, None, 2)
    assert job.started_at is not None
    assert await bench.members(redis_keys.QUEUED) == []
    assert await bench.members(redis_keys.RUNNING) == [job_id]
    assert await bench.store().counts() == {"queued": 0, "running": 1}


async def test_begin_again_by_the_same_holder_is_the_same_attempt(bench: Bench) -> None:
    store, job_id = bench.store(lease_s=SILENT), await bench.waiting()
    first = await store.begin(job_id, holder="one")
    before = await bench.held()
    assert await store.begin(job_id, holder="one") == first
    assert await bench.held() == before


async def test_begin_of_a_job_that_a_living_attempt_holds(bench: Bench) -> None:
    job_id = await bench.running()
    before = await bench.held()
    assert await bench.store().begin(job_id) is None
    assert await bench.held() == before


async def test_a_sign_of_life_keeps_the_job(bench: Bench) -> None:
    job_id = await bench.running()
    await bench.die(job_id)
    assert await bench.store().progress(job_id, 1, None) == "ok"
    assert await bench.store().begin(job_id) is None


async def test_begin_after_the_attempt_before_fell_silent(bench: Bench) -> None:
    job_id = await bench.running()
    await bench.store().progress(job_id, 1, PROGRESS)
    await bench.die(job_id)
    job = await bench.store().begin(job_id)
    assert job is not None
    assert (job.state, job.attempt, job.progress) == (JobState.RUNNING, 2, None)
    assert await bench.members(redis_keys.RUNNING) == [job_id]
    assert await bench.counted() == {"failures:service:worker-died": "1"}


async def commit(bench: Bench, job_id: str) -> None:
    await bench.store().commit(job_id, 1, "results/1")


async def fail(bench: Bench, job_id: str) -> None:
    await bench.store().fail(job_id, 1, MALFORMED)


async def stop(bench: Bench, job_id: str) -> None:
    await bench.store().confirm_cancel(job_id, 1)


async def expire(bench: Bench, job_id: str) -> None:
    await bench.redis.delete(redis_keys.job(job_id))


@pytest.mark.parametrize("end", [commit, fail, stop, expire])
async def test_begin_of_a_job_that_is_over(bench: Bench, end: Callable[[Bench, str], Awaitable[None]]) -> None:
    job_id = await bench.running()
    await end(bench, job_id)
    before = {**await bench.held()}
    for entries in (redis_keys.QUEUED, redis_keys.RUNNING):
        await bench.redis.zadd(entries, {job_id: 1})
        before.pop(entries, None)
    assert await bench.store().begin(job_id) is None
    assert await bench.held() == before


async def test_progress_is_stored_and_raises_the_version_when_it_differs(bench: Bench) -> None:
    store, job_id = bench.store(), await bench.running()
    versions = []
    for _ in range(2):
        assert await store.progress(job_id, 1, PROGRESS) == "ok"
        versions.append((await store.get(job_id)).version)
    assert versions == [3, 3]
    assert await store.progress(job_id, 1, None) == "ok"
    assert (await store.get(job_id)).progress == PROGRESS


@pytest.mark.parametrize(
    ("end", "state", "counted"),
    [
        pytest.param(commit, JobState.DONE, {"jobs:done"}, id="done"),
        pytest.param(fail, JobState.FAILED, {"jobs:failed", "failures:input:malformed"}, id="failed"),
        pytest.param(stop, JobState.CANCELED, {"jobs:canceled"}, id="canceled"),
    ],
)
async def test_end(
    bench: Bench, end: Callable[[Bench, str], Awaitable[None]], state: JobState, counted: set[str]
) -> None:
    job_id = await bench.running()
    await end(bench, job_id)
    job = await bench.store().get(job_id)
    assert (job.state, job.version) == (state, 3)
    assert job.finished_at is not None
    assert job.result == ("results/1" if state is JobState.DONE else None)
    assert job.error == (MALFORMED if state is JobState.FAILED else None)
    assert await bench.members(redis_keys.RUNNING) == []
    assert await bench.counted() == dict.fromkeys(counted, "1")


async def test_release_hands_the_job_to_the_next_attempt(bench: Bench) -> None:
    store, job_id = bench.store(), await bench.running()
    await store.progress(job_id, 1, PROGRESS)
    assert await store.release(job_id, 1)
    job = await store.get(job_id)
    assert (job.state, job.attempt, job.progress) == (JobState.QUEUED, 1, None)
    assert await store.counts() == {"queued": 1, "running": 0}
    assert bench.delivered[1:] == [(job_id, f"{job_id}:1")]
    assert await bench.counted() == {}
    again = await store.begin(job_id)
    assert again is not None
    assert again.attempt == 2


async def release(bench: Bench, job_id: str, attempt: int) -> None:
    await bench.store().release(job_id, attempt)


async def release_failed(bench: Bench, job_id: str, attempt: int) -> None:
    await bench.store().release(job_id, attempt, BROKEN)


async def die(bench: Bench, job_id: str, attempt: int) -> None:
    await bench.die(job_id)


SAME, NEW = ["a"] * 9, [*"abcdefghi"]


@pytest.mark.parametrize(
    ("end", "checkpoints", "attempts"),
    [
        pytest.param(release, None, 9, id="stopped-workers-do-not-count"),
        pytest.param(release_failed, None, 3, id="failures-count"),
        pytest.param(die, None, 3, id="deaths-count"),
        pytest.param(release_failed, SAME, 4, id="failures-after-the-same-checkpoint-count"),
        pytest.param(die, SAME, 4, id="deaths-after-the-same-checkpoint-count"),
        pytest.param(release_failed, NEW, 9, id="failures-after-a-new-checkpoint-do-not-count"),
        pytest.param(die, NEW, 9, id="deaths-after-a-new-checkpoint-do-not-count"),
    ],
)
async def test_most_attempts(
    bench: Bench, end: Callable[[Bench, str, int], Awaitable[None]], checkpoints: list[str] | None, attempts: int
) -> None:
    store, job_id = bench.store(max_attempts=3), await bench.waiting()
    begun = 0
    for number in range(9):
        if (job := await store.begin(job_id)) is None:
            break
        begun += 1
        assert job.attempt == begun
        await store.progress(job_id, job.attempt, None, [] if checkpoints is None else [checkpoints[number]])
        await end(bench, job_id, job.attempt)
    assert begun == attempts
    job = await store.get(job_id)
    if attempts == 9:
        assert job.state not in {JobState.FAILED, JobState.DONE}
        return
    last = "the worker died" if end is die else "engine-died: the engine died"
    detail = f"job: 3 attempts ended without a result or a new checkpoint; the last: {last}"
    assert (job.state, job.error) == (JobState.FAILED, {"code": "too-many-attempts", "detail": detail})
    assert job.finished_at is not None
    assert await store.counts() == {"queued": 0, "running": 0}
    cause = "worker-died" if end is die else "engine-died"
    assert await bench.counted() == {f"failures:service:{cause}": str(attempts), "jobs:failed": "1"}


async def test_the_last_failure_is_not_delivered_again(bench: Bench) -> None:
    store, job_id = bench.store(max_attempts=1), await bench.running()
    assert await store.release(job_id, 1, BROKEN)
    assert (await store.get(job_id)).state is JobState.FAILED
    assert bench.delivered == [(job_id, f"{job_id}:0")]


async def test_reconcile_delivers_what_waits_and_what_fell_silent(bench: Bench) -> None:
    released, new, silent, alive, expired = [await bench.waiting() for _ in range(5)]
    for job_id in (released, silent, alive, expired):
        await bench.begin(job_id)
    await bench.store().release(released, 1)
    await bench.redis.delete(redis_keys.job(expired))
    for entries, job_id in [
        (redis_keys.QUEUED, released),
        (redis_keys.QUEUED, new),
        *((redis_keys.RUNNING, j) for j in (silent, expired)),
    ]:
        await bench.redis.zadd(entries, {job_id: 0})
    bench.delivered.clear()
    assert set(await bench.store().reconcile()) == {released, new, silent, expired}
    assert set(bench.delivered) == {
        (released, f"{released}:1"),
        (new, f"{new}:0"),
        (silent, f"{silent}:1"),
        (expired, f"{expired}:0"),
    }


async def test_what_has_waited_and_run_for_less_than_two_leases_is_left_alone(bench: Bench) -> None:
    await bench.waiting()
    await bench.running()
    bench.delivered.clear()
    assert await bench.store().reconcile() == []
    assert bench.delivered == []


async def test_unknown_job(bench: Bench) -> None:
    for call in (bench.store().get, bench.store().cancel):
        with pytest.raises(NotFound):
            await call("unknown")
    assert await bench.held() == {}

"""The fence: of all attempts at a job only the newest can change it, and it can end it only once."""

from collections.abc import Awaitable, Callable

import pytest

from service.state.job import JobProgress, JobState
from service.state.jobs import JobStore
from tests.contract.state.bench import BROKEN, Bench

pytestmark = pytest.mark.anyio

Call = Callable[[JobStore, str, int], Awaitable[object]]
PROGRESS = JobProgress(stage="track", done=1, total=4, fraction=0.5, rate=2.0, eta_s=3.5)
CALLS: dict[str, Call] = {
    "commit": lambda store, job_id, attempt: store.commit(job_id, attempt, f"results/{attempt}"),
    "fail": lambda store, job_id, attempt: store.fail(job_id, attempt, {"code": "malformed", "detail": "bad"}),
    "canceled": lambda store, job_id, attempt: store.confirm_cancel(job_id, attempt),
    "release": lambda store, job_id, attempt: store.release(job_id, attempt),
    "release-failed": lambda store, job_id, attempt: store.release(job_id, attempt, BROKEN),
    "progress": lambda store, job_id, attempt: store.progress(job_id, attempt, PROGRESS, ["checkpoint"]),
}
REFUSED = {name: "lost" if name == "progress" else False for name in CALLS}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("since", ["took-it-over", "commit", "fail", "canceled", "release", "release-failed"])
async def test_attempt_that_lost_its_job_changes_nothing(bench: Bench, since: str, call: str) -> None:
    job_id = await bench.running()
    assert (await bench.begin(job_id)).attempt == 2
    if since in CALLS:
        assert await CALLS[since](bench.store(), job_id, 2)
    before, delivered = await bench.held(), [*bench.delivered]
    assert await CALLS[call](bench.store(), job_id, 1) == REFUSED[call]
    assert await bench.held() == before
    assert bench.delivered == delivered


async def test_result_is_that_of_the_attempt_that_holds_the_job(bench: Bench) -> None:
    job_id = await bench.running()
    await bench.begin(job_id)
    answers = [await bench.store().commit(job_id, attempt, f"results/{attempt}") for attempt in (1, 2)]
    assert answers == [False, True]
    job = await bench.store().get(job_id)
    assert (job.state, job.attempt, job.result) == (JobState.DONE, 2, "results/2")


ANSWERS_AFTER = {
    "commit": {"commit": True},
    "fail": {"fail": True, "release": True, "release-failed": True},
    "canceled": {"canceled": True, "release": True, "release-failed": True},
    "release": {"release": True, "release-failed": True},
}
"""What the newest attempt's calls return once it has ended, by how; every other call is refused."""


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("ended", ANSWERS_AFTER)
async def test_attempt_ends_only_once(bench: Bench, ended: str, call: str) -> None:
    job_id = await bench.running()
    await CALLS[ended](bench.store(), job_id, 1)
    before, delivered = await bench.held(), set(bench.delivered)
    assert await CALLS[call](bench.store(), job_id, 1) == {**REFUSED, **ANSWERS_AFTER[ended]}[call]
    assert await bench.held() == before
    # the queue drops what comes under a key that it knows
    assert set(bench.delivered) == delivered


@pytest.mark.parametrize("call", CALLS)
async def test_attempt_whose_job_has_expired_leaves_nothing_behind(bench: Bench, call: str) -> None:
    job_id = await bench.running()
    await bench.redis.delete(f"dualtrack:job:{job_id}")
    before = await bench.held()
    assert await CALLS[call](bench.store(), job_id, 1) == REFUSED[call]
    assert await bench.held() == before

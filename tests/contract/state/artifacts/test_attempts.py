"""An attempt at an artifact from its begin to its end: who gets it, what counts against it, what is counted."""

from collections.abc import Awaitable, Callable

import pytest

from dualtrack.errors import NotFound
from service.state import redis_keys
from service.state.artifact import OF_JOB, OF_VIDEO, ArtifactKey, ArtifactState
from service.state.job import JobState
from tests.contract.state.artifacts.calls import BAD, CALLS, PROGRESS
from tests.contract.state.bench import BROKEN, SILENT, Bench

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("owner", [OF_JOB, OF_VIDEO])
async def test_begin_progress_commit(bench: Bench, owner: str) -> None:
    store, name = bench.artifacts(), await bench.waiting_artifact(owner)
    artifact = await store.begin(name)
    assert artifact is not None
    assert artifact == await store.get(name)
    assert (artifact.state, artifact.attempt, artifact.progress) == (ArtifactState.RUNNING, 1, None)
    assert artifact.started_at is not None
    assert await store.counts() == {"waiting": 0, "running": 1}
    for _ in range(2):
        assert await store.progress(name, 1, PROGRESS) == "ok"
    assert (await store.get(name)).progress == PROGRESS
    assert await store.commit(name, 1, "artifacts/1/overlay.mp4", 7)
    done = await store.get(name)
    assert (done.state, done.file, done.size_bytes) == (ArtifactState.DONE, "artifacts/1/overlay.mp4", 7)
    assert (done.progress, done.error) == (None, None)
    assert done.finished_at is not None
    assert await store.counts() == {"waiting": 0, "running": 0}
    assert (await bench.counted())["artifacts:overlay:done"] == "1"


async def test_it_never_holds_or_changes_the_jobs_attempt(bench: Bench) -> None:
    name = await bench.running_artifact()
    job_id = name.split(":")[1]
    before = await bench.store().get(job_id)
    for call in ("progress", "release-failed"):
        assert await CALLS[call](bench.artifacts(), name, 1)
    job = await bench.store().get(job_id)
    assert (job.state, job.attempt, job.result) == (JobState.DONE, 1, before.result)
    assert await bench.members(redis_keys.RUNNING) == []


async def test_open_artifacts_are_counted_in_the_job(bench: Bench) -> None:
    store, name = bench.artifacts(), await bench.waiting_artifact()
    seen = []
    for step in (lambda: store.begin(name), lambda: store.fail(name, 1, BAD)):
        seen.append((await bench.store().get(name.split(":")[1])).open_artifacts)
        await step()
    assert [*seen, (await bench.store().get(name.split(":")[1])).open_artifacts] == [1, 1, 0]


async def test_a_failure_for_good(bench: Bench) -> None:
    store, name = bench.artifacts(), await bench.running_artifact()
    bench.delivered.clear()
    assert await store.fail(name, 1, BAD)
    failed = await store.get(name)
    assert (failed.state, failed.error, failed.file) == (ArtifactState.FAILED, BAD, None)
    assert bench.delivered == []
    assert (await bench.counted())["artifacts:overlay:failed"] == "1"


async def test_begin_again_by_the_same_holder_is_the_same_attempt(bench: Bench) -> None:
    store, name = bench.artifacts(lease_s=SILENT), await bench.waiting_artifact()
    first = await store.begin(name, holder="one")
    before = await bench.held()
    assert await store.begin(name, holder="one") == first
    assert await bench.held() == before


async def test_begin_of_one_that_a_living_attempt_holds(bench: Bench) -> None:
    name = await bench.running_artifact()
    before = await bench.held()
    assert await bench.artifacts().begin(name) is None
    assert await bench.held() == before


async def test_a_sign_of_life_keeps_it(bench: Bench) -> None:
    store, name = bench.artifacts(), await bench.running_artifact()
    await bench.redis.zadd(redis_keys.ARTIFACTS_RUNNING, {name: 0})
    assert await store.progress(name, 1, None) == "ok"
    assert await store.begin(name) is None


async def test_begin_after_the_attempt_before_fell_silent(bench: Bench) -> None:
    store, name = bench.artifacts(), await bench.running_artifact()
    await store.progress(name, 1, PROGRESS)
    await bench.redis.zadd(redis_keys.ARTIFACTS_RUNNING, {name: 0})
    assert await store.due() == [name]
    artifact = await store.begin(name)
    assert artifact is not None
    assert (artifact.state, artifact.attempt, artifact.progress) == (ArtifactState.RUNNING, 2, None)


@pytest.mark.parametrize("end", ["commit", "fail"])
async def test_begin_of_one_that_has_ended(bench: Bench, end: str) -> None:
    name = await bench.running_artifact()
    await CALLS[end](bench.artifacts(), name, 1)
    before = await bench.held()
    for entries in (redis_keys.ARTIFACTS_WAITING, redis_keys.ARTIFACTS_RUNNING):
        await bench.redis.zadd(entries, {name: 1})
    assert await bench.artifacts().begin(name) is None
    assert await bench.held() == before


async def release(bench: Bench, name: str, attempt: int) -> None:
    await bench.artifacts().release(name, attempt)


async def release_failed(bench: Bench, name: str, attempt: int) -> None:
    await bench.artifacts().release(name, attempt, BROKEN)


async def die(bench: Bench, name: str, _attempt: int) -> None:
    await bench.redis.zadd(redis_keys.ARTIFACTS_RUNNING, {name: 0})


@pytest.mark.parametrize(
    ("end", "attempts", "last"),
    [
        pytest.param(release, 9, None, id="stopped-workers-do-not-count"),
        pytest.param(release_failed, 3, "engine-died: the engine died", id="failures-count"),
        pytest.param(die, 3, "the worker died", id="deaths-count"),
    ],
)
async def test_most_attempts(
    bench: Bench, end: Callable[[Bench, str, int], Awaitable[None]], attempts: int, last: str | None
) -> None:
    store, name = bench.artifacts(), await bench.waiting_artifact()
    begun = 0
    while begun < 9 and (artifact := await store.begin(name)) is not None:
        begun += 1
        assert artifact.attempt == begun
        await end(bench, name, artifact.attempt)
    assert begun == attempts
    artifact = await store.get(name)
    if last is None:
        assert artifact.state is ArtifactState.WAITING
        return
    detail = f"artifact: 3 attempts ended without a file; the last: {last}"
    assert (artifact.state, artifact.error) == (
        ArtifactState.FAILED,
        {"code": "too-many-attempts", "detail": detail},
    )
    assert artifact.finished_at is not None
    assert await store.counts() == {"waiting": 0, "running": 0}
    assert (await bench.counted())["artifacts:overlay:failed"] == "1"
    assert (await bench.store().get(name.split(":")[1])).state is JobState.DONE


async def test_release_hands_it_over_again(bench: Bench) -> None:
    name = await bench.running_artifact()
    bench.delivered.clear()
    assert await bench.artifacts().release(name, 1)
    assert bench.delivered == [(name, f"{name}:1")]
    artifact = await bench.artifacts().get(name)
    assert (artifact.state, artifact.attempt, artifact.progress) == (ArtifactState.WAITING, 1, None)


async def test_reconcile_delivers_what_waits_and_what_fell_silent(bench: Bench) -> None:
    released, new, silent, alive = [await bench.waiting_artifact() for _ in range(4)]
    for name in (released, silent, alive):
        await bench.begin_artifact(name)
    await bench.artifacts().release(released, 1)
    for entries, name in (
        (redis_keys.ARTIFACTS_WAITING, released),
        (redis_keys.ARTIFACTS_WAITING, new),
        (redis_keys.ARTIFACTS_RUNNING, silent),
    ):
        await bench.redis.zadd(entries, {name: 0})
    bench.delivered.clear()
    assert set(await bench.artifacts().reconcile()) == {released, new, silent}
    assert set(bench.delivered) == {(released, f"{released}:1"), (new, f"{new}:0"), (silent, f"{silent}:1")}


async def test_what_has_waited_and_run_for_less_than_two_leases_is_left_alone(bench: Bench) -> None:
    await bench.waiting_artifact()
    await bench.running_artifact()
    bench.delivered.clear()
    assert await bench.artifacts().reconcile() == []
    assert bench.delivered == []


async def test_those_that_are_due_oldest_first(bench: Bench) -> None:
    first, second = [await bench.waiting_artifact() for _ in range(2)]
    await bench.running_artifact()
    await bench.redis.zadd(redis_keys.ARTIFACTS_WAITING, {second: 1})
    assert await bench.artifacts().due() == [second, first]


async def test_unknown_artifact(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await bench.artifacts().get(ArtifactKey("job:unknown", "overlay").name)
    assert await bench.artifacts().of("job:unknown") == []
    assert await bench.held() == {}

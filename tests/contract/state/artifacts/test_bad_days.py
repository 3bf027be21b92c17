"""Artifacts on a full server, after lost responses, beside others, and in a newer format."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dualtrack.errors import NewerFormat, Unavailable
from service.state import redis_keys
from service.state.artifact import FORMAT, OF_JOB, Artifact, ArtifactKey, ArtifactState
from service.state.artifacts import ArtifactStore
from tests.contract.state.artifacts.calls import BAD, CALLS, PROGRESS
from tests.contract.state.bench import BROKEN, SILENT, Bench
from tests.contract.state.line import line_to
from tests.contract.state.test_full import full

pytestmark = pytest.mark.anyio

Call = Callable[[ArtifactStore, str], Awaitable[object]]


def key_of(name: str) -> ArtifactKey:
    return ArtifactKey(":".join(name.split(":")[:2]), "overlay")


async def test_on_a_full_server_none_is_requested(bench: Bench) -> None:
    owner = await bench.owner()
    before = await bench.held()
    async with full(bench):
        with pytest.raises(Unavailable) as refused:
            await bench.artifacts().create(ArtifactKey(owner, "overlay"))
    assert refused.value.code == "state-full"
    assert await bench.held() == before


async def test_on_a_full_server_they_are_created_by_commits_begin_report_and_end(bench: Bench) -> None:
    store, names = bench.artifacts(max_attempts=1), [await bench.waiting_artifact() for _ in range(4)]
    job_id = await bench.running()
    key = ArtifactKey(f"{OF_JOB}:{job_id}", "overlay")
    async with full(bench):
        assert await bench.store().commit(job_id, 1, "results/1", [key])
        for name in (*names, key.name):
            assert await store.begin(name) is not None
            assert await store.progress(name, 1, PROGRESS) == "ok"
        assert await store.commit(names[0], 1, "file", 7)
        assert await store.fail(names[1], 1, BAD)
        assert await store.release(names[2], 1)
        assert await store.release(names[3], 1, BROKEN)
        assert await store.commit(key.name, 1, "file", 7)
    states = [(await store.get(name)).state for name in (*names, key.name)]
    assert states == ["done", "failed", "waiting", "failed", "done"]


@pytest.mark.parametrize(
    ("call", "attempt"),
    [
        pytest.param(lambda store, name: store.create(key_of(name)), 0, id="create"),
        pytest.param(lambda store, name: store.begin(name), 1, id="begin"),
    ],
)
async def test_a_lost_response_before_the_end(bench: Bench, call: Call, attempt: int) -> None:
    async with line_to(bench.url) as (line, redis):
        store = bench.artifacts(redis=redis, lease_s=SILENT)
        for prepare in (True, False):
            name = key_of(f"{await bench.owner()}:").name if attempt == 0 else await bench.waiting_artifact()
            line.lose_answer = not prepare  # the server knows the script then
            artifact = await call(store, name)
            assert not line.lose_answer
    assert isinstance(artifact, Artifact)
    assert artifact.attempt == attempt
    assert await bench.artifacts().get(name) == artifact


@pytest.mark.parametrize("call", ["commit", "fail", "release", "release-failed"])
async def test_a_lost_response_at_the_end(bench: Bench, call: str) -> None:
    async with line_to(bench.url) as (line, redis):
        store = bench.artifacts(redis=redis)
        assert await CALLS[call](store, await bench.running_artifact(), 1)
        name = await bench.running_artifact()
        job_id = name.split(":")[1]
        version = (await bench.store().get(job_id)).version
        line.lose_answer = True
        assert await CALLS[call](store, name, 1)
        assert not line.lose_answer
    assert (await bench.store().get(job_id)).version == version + 1
    assert await bench.redis.hget(redis_keys.artifact(name), "failures") == {"release": "0", "release-failed": "1"}.get(
        call
    )


async def test_two_workers_never_hold_one_attempt(bench: Bench) -> None:
    name = await bench.waiting_artifact()
    async with line_to(bench.url) as (line, redis):
        store = bench.artifacts(redis=redis, lease_s=SILENT)
        await store.begin(await bench.waiting_artifact())
        line.hold_after_answer = True
        beginning = asyncio.create_task(store.begin(name))
        await line.answered.wait()
        assert (await bench.begin_artifact(name)).attempt == 2
        line.go_on.set()
        first = await beginning
    assert first is not None
    assert first.attempt == 1
    assert await bench.artifacts().progress(name, 1, None) == "lost"
    assert await bench.artifacts().progress(name, 2, None) == "ok"


@pytest.mark.parametrize("state", ["waiting", "running", "failed"])
async def test_one_in_a_newer_format_is_left_as_it_is(bench: Bench, state: str) -> None:
    name = await bench.waiting_artifact()
    if state != "waiting":
        await bench.artifacts().begin(name, holder="first")
    if state == "failed":
        await bench.artifacts().fail(name, 1, BAD)
    await bench.redis.hset(redis_keys.artifact(name), "format", str(FORMAT + 1))
    before, delivered = await bench.held(), [*bench.delivered]
    store = bench.artifacts(lease_s=SILENT)
    for call in (
        store.get(name),
        store.begin(name, holder="first"),
        store.create(key_of(name)),
        store.of(key_of(name).owner),
    ):
        with pytest.raises(NewerFormat) as raised:
            await call
        assert (
            raised.value.detail == f"artifact {name}: its format 2 is newer than 1, the newest that this version reads"
        )
    assert await bench.held() == before
    assert bench.delivered == delivered


async def test_the_queue_that_is_away_does_not_fail_a_request(bench: Bench) -> None:
    async def refuse(_name: str, _key: str) -> None:
        raise ConnectionRefusedError

    store = ArtifactStore(bench.redis, refuse, max_queue=9, max_attempts=3, lease_s=SILENT)
    artifact = await store.create(ArtifactKey(await bench.owner(), "overlay"))
    assert artifact.state is ArtifactState.WAITING
    await bench.redis.zadd(redis_keys.ARTIFACTS_WAITING, {artifact.name: 0})
    with pytest.raises(Unavailable):
        await store.reconcile()
    assert await bench.artifacts().reconcile() == [artifact.name]

"""Every change of a job has an event, and whoever follows the job gets it. That none lacks is checked after every test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from dualtrack.errors import Gone
from service.state import connection, redis_keys
from service.state.connection import connect
from service.state.events import EventReader, Follower, JobEvent
from service.state.job import Job, JobProgress, JobState
from service.state.jobs import JobStore
from tests.contract.state.bench import BROKEN, Bench
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

PROGRESS = JobProgress(stage="track", done=1, total=4, fraction=0.5, rate=2.0, eta_s=3.5)
LATER = {"id": "another", "number": "1", "state": "done"}
Step = Callable[[JobStore, str], Awaitable[object]]
STEPS: dict[str, Step] = {
    "begin": lambda store, job_id: store.begin(job_id, holder="a"),
    "heartbeat": lambda store, job_id: store.progress(job_id, 1, None, ["checkpoint"]),
    "progress": lambda store, job_id: store.progress(job_id, 1, PROGRESS),
    "commit": lambda store, job_id: store.commit(job_id, 1, "results/1"),
    "fail": lambda store, job_id: store.fail(job_id, 1, {"code": "malformed", "detail": "bad"}),
    "cancel": lambda store, job_id: store.cancel(job_id),
    "canceled": lambda store, job_id: store.confirm_cancel(job_id, 1),
    "release": lambda store, job_id: store.release(job_id, 1),
    "broken": lambda store, job_id: store.release(job_id, 1, BROKEN),
}


@pytest.mark.parametrize(
    ("steps", "states"),
    [
        pytest.param("begin heartbeat begin progress progress commit commit", "running running done", id="done"),
        pytest.param("begin fail fail", "running failed", id="failed"),
        pytest.param("cancel cancel", "canceled", id="canceled-waiting"),
        pytest.param("begin cancel canceled", "running running canceled", id="canceled-running"),
        pytest.param("begin cancel commit", "running running canceled", id="canceled-at-the-end"),
        pytest.param("begin release", "running queued", id="released"),
        pytest.param("begin broken", "running failed", id="out-of-attempts"),
        pytest.param("begin cancel broken", "running running canceled", id="canceled-and-released"),
    ],
)
async def test_each_change_is_one_event_in_both_streams(bench: Bench, steps: str, states: str) -> None:
    job_id, other = await bench.waiting(), await bench.waiting()
    store = bench.store(max_attempts=1)
    for step in steps.split():
        await STEPS[step](store, job_id)
    events = await bench.events(job_id)
    assert [event["state"] for event in events] == ["queued", *states.split()]
    stream = await bench.redis.xrange(redis_keys.owner_events(redis_keys.OWNER))
    assert [fields for _, fields in stream if fields["id"] == job_id] == events
    assert [fields["number"] for _, fields in stream if fields["id"] == other] == ["1"]


async def test_a_takeover_is_an_event(bench: Bench) -> None:
    job_id = await bench.running()
    await bench.begin(job_id)
    assert [event["attempt"] for event in await bench.events(job_id)] == ["0", "1", "2"]


async def test_streams_are_bounded(bench: Bench) -> None:
    job_id, store = await bench.running(), bench.store()
    for done in range(2 * redis_keys.MOST_JOB_EVENTS):
        await store.progress(job_id, 1, JobProgress("track", done, 999, 0.5, None, None))
    assert len(await bench.events(job_id)) == redis_keys.MOST_JOB_EVENTS
    owners = redis_keys.owner_events(redis_keys.OWNER)
    assert 0 < await bench.redis.ttl(owners) <= redis_keys.OWNER_EVENTS_TTL_S
    async with bench.redis.pipeline(transaction=False) as pipe:
        for _ in range(2 * redis_keys.MOST_OWNER_EVENTS):
            pipe.xadd(owners, {"id": "another"})
        await pipe.execute()
    await store.cancel(job_id)
    # whole nodes of the stream are cut off
    assert await bench.redis.xlen(owners) < 1.1 * redis_keys.MOST_OWNER_EVENTS


@pytest.fixture
async def follower(bench: Bench) -> AsyncIterator[JobStore]:
    """The store of another process."""
    redis = connect(bench.url)
    store = bench.store(redis=redis)
    yield store
    await store.close()
    await redis.aclose()


async def waiting(
    bench: Bench, store: JobStore, job_id: str, version: int | None = None, polls: int = 1
) -> list["asyncio.Task[Job]"]:
    """Long polls that have begun to wait, on the one connection of their process."""
    followers = store._events._followers.setdefault(job_id, set())
    before = len(followers)
    tasks = [asyncio.create_task(store.wait(job_id, PATIENCE_S, version=version)) for _ in range(polls)]
    while len(followers) < before + polls:  # noqa: ASYNC110 (the store sets no event)
        await asyncio.sleep(0)
    await reading(bench)
    # what each of them reads of the job at the beginning
    await asyncio.sleep(0.1)
    assert not any(task.done() for task in tasks)
    return tasks


async def reading(bench: Bench) -> None:
    """Wait until a reader waits for events."""
    while (await bench.redis.info("clients"))["blocked_clients"] != 1:  # noqa: ASYNC110 (the server sends no event)
        await asyncio.sleep(0.01)


async def passed_on(bench: Bench, reader: EventReader, events: Follower) -> list[JobEvent]:
    """What a follower has got and not read: all of its events, as a later one of another job has been passed on.

    Without its event a long poll would wait until its own limit, and then find the change all the same.
    """
    async with reader.follow("another") as later, asyncio.timeout(PATIENCE_S):
        await bench.redis.xadd(redis_keys.owner_events(redis_keys.OWNER), LATER)
        while await later.next(PATIENCE_S) is None:
            pass
    found = [events._unread.get_nowait() for _ in range(events._unread.qsize())]
    return [event for event in found if event is not None]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks again without an event."""
    monkeypatch.setattr("service.state.jobs.LOOK_AGAIN_S", 3600.0)


@pytest.mark.usefixtures("patient")
async def test_a_long_poll_ends_with_its_job(bench: Bench, follower: JobStore) -> None:
    job_id, other = await bench.running(), await bench.running()
    [poll] = await waiting(bench, follower, job_id)
    [polls_version] = await waiting(bench, follower, job_id, version=2)
    async with follower._events.follow(job_id) as events:
        await bench.store().commit(other, 1, "results/1")
        await bench.store().progress(job_id, 1, PROGRESS)
        assert [event.number for event in await passed_on(bench, follower._events, events)] == [3]
        assert (await polls_version).version == 3
        assert not poll.done()
        await bench.store().commit(job_id, 1, "results/1")
        assert [event.number for event in await passed_on(bench, follower._events, events)] == [4]
        assert (await poll).state is JobState.DONE


@pytest.mark.usefixtures("patient")
async def test_two_hundred_long_polls_use_one_connection(bench: Bench, follower: JobStore) -> None:
    job_id = await bench.running()
    polls = await waiting(bench, follower, job_id, polls=200)
    async with follower._events.follow(job_id) as events:
        await bench.store().commit(job_id, 1, "results/1")
        assert [event.number for event in await passed_on(bench, follower._events, events)] == [3]
        assert {job.state for job in await asyncio.gather(*polls)} == {JobState.DONE}


async def test_more_operations_at_once_than_connections(bench: Bench, follower: JobStore) -> None:
    job_id = await bench.waiting()
    jobs = await asyncio.gather(*(follower.get(job_id) for _ in range(5 * connection.MOST_CONNECTIONS)))
    assert {job.id for job in jobs} == {job_id}


@pytest.mark.usefixtures("patient")
async def test_a_long_poll_ends_when_the_video_is_deleted(bench: Bench, follower: JobStore, tmp_path: Path) -> None:
    videos, job_id = await bench.stored_video(tmp_path), await bench.running()
    [poll] = await waiting(bench, follower, job_id)
    async with follower._events.follow(job_id) as events:
        await videos.delete("video")
        assert [event.video_deleted for event in await passed_on(bench, follower._events, events)] == [True]
        with pytest.raises(Gone):
            await poll


async def test_a_reader_goes_on_after_its_connection_broke(bench: Bench) -> None:
    redis = connect(bench.url)
    reader = EventReader(redis)
    job_id = await bench.running()
    async with reader.follow(job_id) as events:
        await reading(bench)
        await bench.redis.client_kill_filter(_type="normal", skipme=True)
        await bench.store().commit(job_id, 1, "results/1")
        found = [(event.state, event.number, event.last) for event in await passed_on(bench, reader, events)]
    assert found == [(JobState.DONE, 3, True)]
    await reader.close()
    await redis.aclose()


async def test_an_event_that_is_not_understood_is_passed_over(bench: Bench) -> None:
    reader = EventReader(bench.redis)
    job_id = await bench.running()
    async with reader.follow(job_id) as events:
        await bench.redis.xadd(redis_keys.owner_events(redis_keys.OWNER), {"id": job_id, "number": "9", "state": "new"})
        await bench.store().commit(job_id, 1, "results/1")
        assert [event.number for event in await passed_on(bench, reader, events)] == [3]
    await reader.close()

"""The fence: of all attempts at an artifact only the newest can change it, and it can end it only once."""

import pytest

from service.state import redis_keys
from service.state.artifact import ArtifactState
from service.state.job import JobState
from tests.contract.state.artifacts.calls import CALLS, REFUSED
from tests.contract.state.bench import Bench

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("since", ["took-it-over", "commit", "fail", "release", "release-failed"])
async def test_attempt_that_lost_its_artifact_changes_nothing(bench: Bench, since: str, call: str) -> None:
    name = await bench.running_artifact()
    assert (await bench.begin_artifact(name)).attempt == 2
    if since in CALLS:
        assert await CALLS[since](bench.artifacts(), name, 2)
    before, delivered = await bench.held(), [*bench.delivered]
    assert await CALLS[call](bench.artifacts(), name, 1) == REFUSED[call]
    assert await bench.held() == before
    assert bench.delivered == delivered


async def test_the_file_is_that_of_the_attempt_that_holds_it(bench: Bench) -> None:
    name = await bench.running_artifact()
    await bench.begin_artifact(name)
    assert [await bench.artifacts().commit(name, attempt, f"file {attempt}", 7) for attempt in (1, 2)] == [False, True]
    artifact = await bench.artifacts().get(name)
    assert (artifact.state, artifact.attempt, artifact.file) == (ArtifactState.DONE, 2, "file 2")


RETURNS_AFTER = {
    "commit": {"commit": True},
    "fail": {"fail": True, "release": True, "release-failed": True},
    "release": {"release": True, "release-failed": True},
}
"""What the newest attempt's calls return once it has ended, by how; every other call is refused."""


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("ended", RETURNS_AFTER)
async def test_attempt_ends_only_once(bench: Bench, ended: str, call: str) -> None:
    name = await bench.running_artifact()
    await CALLS[ended](bench.artifacts(), name, 1)
    before, delivered = await bench.held(), set(bench.delivered)
    assert await CALLS[call](bench.artifacts(), name, 1) == {**REFUSED, **RETURNS_AFTER[ended]}[call]
    assert await bench.held() == before
    # the queue drops what comes under a key that it knows
    assert set(bench.delivered) == delivered


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("gone", ["artifact", "owner"])
async def test_attempt_whose_artifact_is_gone_leaves_nothing_behind(bench: Bench, gone: str, call: str) -> None:
    name = await bench.running_artifact()
    job = redis_keys.job(name.split(":")[1])
    await bench.redis.delete(redis_keys.artifact(name) if gone == "artifact" else job)
    before = await bench.held()
    assert await CALLS[call](bench.artifacts(), name, 1) == REFUSED[call]
    after = await bench.held()
    if gone == "artifact":
        assert after == before
    else:
        assert not [key for key in after if "artifact" in key]
        assert job not in after
    assert await bench.artifacts().begin(name) is None
    assert await bench.artifacts().counts() == {"waiting": 0, "running": 0}


@pytest.mark.parametrize("call", CALLS)
async def test_a_job_is_never_changed_by_a_zombie(bench: Bench, call: str) -> None:
    name = await bench.running_artifact()
    await bench.begin_artifact(name)
    before = await bench.store().get(name.split(":")[1])
    await CALLS[call](bench.artifacts(), name, 1)
    assert await bench.store().get(name.split(":")[1]) == before
    assert before.state is JobState.DONE

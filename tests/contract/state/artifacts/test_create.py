"""Artifacts are created by the commit of a job or by a request, once per owner, kind and options."""

import pytest

from dualtrack.errors import Conflict, Gone, Overloaded
from service.state import redis_keys
from service.state.artifact import OF_JOB, OF_VIDEO, ArtifactKey, ArtifactState
from service.state.job import JobState, JobSummary
from tests.contract.state.artifacts.calls import BAD
from tests.contract.state.bench import Bench

pytestmark = pytest.mark.anyio

OPTIONS = {"min_score": 0.1}


async def committed(bench: Bench) -> tuple[str, ArtifactKey]:
    """A job whose commit has created an artifact."""
    job_id = await bench.running()
    key = ArtifactKey(f"{OF_JOB}:{job_id}", "overlay", OPTIONS)
    assert await bench.store().commit(job_id, 1, "results/1", [key])
    return job_id, key


async def test_the_commit_creates_it(bench: Bench) -> None:
    job_id, key = await committed(bench)
    (artifact,) = await bench.artifacts().of(key.owner)
    assert (artifact.name, artifact.kind, artifact.options) == (key.name, "overlay", OPTIONS)
    assert (artifact.state, artifact.attempt, artifact.file) == (ArtifactState.WAITING, 0, None)
    assert artifact == await bench.artifacts().get(key.name)
    assert await bench.members(redis_keys.ARTIFACTS_WAITING) == [key.name]
    job = await bench.store().get(job_id)
    assert (job.state, job.version, job.open_artifacts) == (JobState.DONE, 4, 1)


async def test_a_commit_with_a_summary_and_artifacts(bench: Bench) -> None:
    """Both follow the other arguments of one script."""
    job_id = await bench.running()
    keys = [ArtifactKey(f"{OF_JOB}:{job_id}", "overlay", {"min_score": least}) for least in (0.1, 0.2)]
    summary = JobSummary(3, 12, max_seeds_reached=True)
    assert await bench.store().commit(job_id, 1, "results/1", keys, summary=summary)
    job = await bench.store().get(job_id)
    assert (job.summary, job.result, job.open_artifacts) == (summary, "results/1", 2)
    made = await bench.artifacts().of(keys[0].owner)
    assert sorted((each.name, each.options["min_score"]) for each in made) == sorted(
        (key.name, least) for key, least in zip(keys, (0.1, 0.2), strict=True)
    )


async def test_a_canceled_job_has_no_summary(bench: Bench) -> None:
    job_id = await bench.running()
    await bench.store().cancel(job_id)
    summary = JobSummary(3, 12, max_seeds_reached=True)
    assert not await bench.store().commit(job_id, 1, "results/1", summary=summary)
    job = await bench.store().get(job_id)
    assert (job.state, job.summary) == (JobState.CANCELED, None)


async def test_a_repeated_commit_creates_nothing_more(bench: Bench) -> None:
    job_id, key = await committed(bench)
    before = await bench.held()
    assert await bench.store().commit(job_id, 1, "results/1", [key])
    assert await bench.held() == before


@pytest.mark.parametrize("instead", ["cancel", "fence"])
async def test_a_commit_that_does_not_count_creates_nothing(bench: Bench, instead: str) -> None:
    job_id = await bench.running()
    if instead == "cancel":
        await bench.store().cancel(job_id)
    else:
        await bench.begin(job_id)
    key = ArtifactKey(f"{OF_JOB}:{job_id}", "overlay")
    assert not await bench.store().commit(job_id, 1, "results/1", [key])
    assert await bench.artifacts().of(key.owner) == []
    assert await bench.artifacts().counts() == {"waiting": 0, "running": 0}


@pytest.mark.parametrize("owner", [OF_JOB, OF_VIDEO])
async def test_a_request_creates_it_and_hands_it_over(bench: Bench, owner: str) -> None:
    key = ArtifactKey(await bench.owner(owner), "overlay", OPTIONS)
    bench.delivered.clear()
    artifact = await bench.artifacts().create(key)
    assert (artifact.state, artifact.attempt, artifact.options) == (ArtifactState.WAITING, 0, OPTIONS)
    assert bench.delivered == [(key.name, f"{key.name}:0")]
    assert await bench.artifacts().counts() == {"waiting": 1, "running": 0}


@pytest.mark.parametrize("state", [ArtifactState.WAITING, ArtifactState.RUNNING, ArtifactState.DONE])
async def test_a_repeated_request_changes_nothing(bench: Bench, state: ArtifactState) -> None:
    store, key = bench.artifacts(), ArtifactKey(await bench.owner(), "overlay")
    await store.create(key)
    if state is not ArtifactState.WAITING:
        await store.begin(key.name, holder="a")
    if state is ArtifactState.DONE:
        await store.commit(key.name, 1, "file", 7)
    before = await bench.held()
    assert (await store.create(key)).state is state
    assert await bench.held() == before


async def test_one_that_failed_is_made_again(bench: Bench) -> None:
    store, key = bench.artifacts(max_attempts=1), ArtifactKey(await bench.owner(), "overlay")
    await store.create(key)
    await store.begin(key.name)
    assert await store.fail(key.name, 1, BAD)
    again = await store.create(key)
    assert (again.state, again.attempt, again.error, again.finished_at) == (ArtifactState.WAITING, 1, None, None)
    assert bench.delivered[-1] == (key.name, f"{key.name}:1")
    begun = await store.begin(key.name)
    assert begun is not None
    assert begun.attempt == 2  # never a number that a zombie may still hold
    assert not await store.commit(key.name, 1, "file of the zombie", 7)


async def test_one_whose_file_is_missing_is_made_again(bench: Bench) -> None:
    store, key = bench.artifacts(), ArtifactKey(await bench.owner(), "overlay")
    await store.create(key)
    await store.begin(key.name)
    await store.commit(key.name, 1, "file", 7)
    assert (await store.create(key, missing="another file")).state is ArtifactState.DONE
    again = await store.create(key, missing="file")
    assert (again.state, again.file, again.size_bytes) == (ArtifactState.WAITING, None, None)


async def test_other_options_another_artifact(bench: Bench) -> None:
    owner = await bench.owner()
    for options in ({}, {"min_score": 0.5}, {"a": 1, "b": 2}, {"b": 2, "a": 1}):
        await bench.artifacts().create(ArtifactKey(owner, "overlay", options))
    assert [each.options for each in await bench.artifacts().of(owner)] == [{}, {"min_score": 0.5}, {"a": 1, "b": 2}]
    assert (await bench.store().get(owner.partition(":")[2])).open_artifacts == 3


async def test_of_a_job_without_a_result(bench: Bench) -> None:
    for job_id in (await bench.waiting(), await bench.running()):
        before = await bench.held()
        with pytest.raises(Conflict) as refused:
            await bench.artifacts().create(ArtifactKey(f"{OF_JOB}:{job_id}", "overlay"))
        assert refused.value.code == "not-ready"
        assert await bench.held() == before


@pytest.mark.parametrize("owner", [OF_JOB, OF_VIDEO])
async def test_of_an_owner_that_is_gone(bench: Bench, owner: str) -> None:
    with pytest.raises(Gone):
        await bench.artifacts().create(ArtifactKey(f"{owner}:unknown", "overlay"))
    assert await bench.held() == {}


async def test_of_a_job_whose_video_was_deleted(bench: Bench) -> None:
    owner = await bench.owner()
    await bench.redis.hset(redis_keys.job(owner.partition(":")[2]), "video_deleted", "1")
    before = await bench.held()
    with pytest.raises(Gone):
        await bench.artifacts().create(ArtifactKey(owner, "overlay"))
    assert await bench.held() == before


async def test_requests_are_bounded_and_commits_are_not(bench: Bench) -> None:
    store = bench.artifacts(max_queue=1)
    await committed(bench)
    _, key = await committed(bench)
    owner = await bench.owner()
    with pytest.raises(Overloaded):
        await store.create(ArtifactKey(owner, "overlay"))
    assert (await store.create(key)).state is ArtifactState.WAITING  # it waits already
    await store.begin(key.name)
    await bench.redis.delete(*[redis_keys.artifact(name) for name in await store.due()])
    assert (await store.create(ArtifactKey(owner, "overlay"))).state is ArtifactState.WAITING

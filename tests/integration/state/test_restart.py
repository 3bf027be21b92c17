"""A Valkey over TCP that was restarted: the connections of before are dead, and nobody has noticed yet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dualtrack.errors import Unavailable
from service.state import redis_keys
from service.state.job import JobState
from service.state.jobs import JobStore
from service.wiring import Parts
from tests.integration.api.api_service import RAW, Api, Valkey, clip, running
from tests.support.ports import free_ports


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    valkey = Valkey(tmp_path, port=free_ports(1)[0])
    with running(tmp_path, valkey=valkey, redis_url=f"redis://127.0.0.1:{valkey.port}/0") as api:
        yield api


def test_the_first_job_after_it_is_taken_and_handed_over(api: Api, tmp_path: Path) -> None:
    with api.http() as http:
        video = http.post("/v1/videos", content=clip(tmp_path / "a.mp4").read_bytes(), headers=RAW).json()["id"]
        for taken in range(1, 4):
            assert http.post("/v1/jobs", json={"video_id": video}).status_code == 202
            api.valkey.stop()
            api.valkey.start()
            assert http.post("/v1/jobs", json={"video_id": video}).status_code == 202
            delivered = api.act(lambda parts: parts.redis.xlen(f"{redis_keys.DOCKET}:stream"))
            assert delivered == 2 * taken


def test_a_job_that_is_made_is_accepted_even_if_the_queue_is_away(api: Api) -> None:
    async def create(parts: Parts) -> tuple[JobState, list[str]]:
        async def refuse(_job: str, _key: str) -> None:
            raise ConnectionRefusedError

        store = JobStore(parts.redis, refuse, max_queue=9, max_attempts=3, ttl_s=60, lease_s=0)
        job, new = await store.create("video", {})
        assert new
        await parts.redis.zadd(redis_keys.QUEUED, {job.id: 0})
        with pytest.raises(Unavailable):
            await store.reconcile()
        return job.state, await parts.jobs.reconcile()

    state, handed_over = api.act(create)
    assert state is JobState.QUEUED
    assert len(handed_over) == 1

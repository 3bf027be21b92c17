"""What the tests of the state share: stores on one empty Valkey, what they deliver, and all that Valkey holds."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis

from dualtrack.errors import DualtrackError
from service.state import redis_keys
from service.state.artifact import OF_JOB, OF_VIDEO, Artifact, ArtifactKey
from service.state.artifacts import ArtifactStore
from service.state.blobs import BlobStore
from service.state.cache_index import CacheIndex
from service.state.job import Job
from service.state.jobs import JobStore
from service.state.videos import Video, VideoStore

ALIVE, SILENT = 3600.0, 0.0
"""Leases: one within which every attempt counts as alive, one after which none does. No test has to wait."""
BROKEN = DualtrackError("the engine died", code="engine-died")


@dataclass
class Bench:
    url: str
    redis: Redis
    delivered: list[tuple[str, str]] = field(default_factory=list)

    def store(
        self,
        *,
        lease_s: float = ALIVE,
        max_queue: int = 9,
        max_attempts: int = 3,
        ttl_s: int = 600,
        redis: Redis | None = None,
    ) -> JobStore:
        async def deliver(job_id: str, key: str) -> None:
            self.delivered.append((job_id, key))

        return JobStore(
            redis or self.redis, deliver, max_queue=max_queue, max_attempts=max_attempts, ttl_s=ttl_s, lease_s=lease_s
        )

    def artifacts(
        self, *, lease_s: float = ALIVE, max_queue: int = 9, max_attempts: int = 3, redis: Redis | None = None
    ) -> ArtifactStore:
        async def deliver(name: str, key: str) -> None:
            self.delivered.append((name, key))

        return ArtifactStore(
            redis or self.redis, deliver, max_queue=max_queue, max_attempts=max_attempts, lease_s=lease_s
        )

    async def owner(self, kind: str = OF_JOB) -> str:
        """What can have artifacts: a done job, or a video."""
        if kind == OF_JOB:
            job_id = await self.running()
            assert await self.store().commit(job_id, 1, f"results/{job_id}/1")
            return f"{OF_JOB}:{job_id}"
        await self.redis.set(redis_keys.video("video"), "{}", ex=600)
        return f"{OF_VIDEO}:video"

    async def waiting_artifact(self, owner: str = OF_JOB) -> str:
        """A new artifact of a new owner of this kind."""
        return (await self.artifacts().create(ArtifactKey(await self.owner(owner), "overlay"))).name

    async def running_artifact(self, owner: str = OF_JOB) -> str:
        """An artifact that attempt 1 holds."""
        name = await self.waiting_artifact(owner)
        assert (await self.begin_artifact(name)).attempt == 1
        return name

    async def begin_artifact(self, name: str) -> Artifact:
        """A new attempt, even if another one holds the artifact."""
        artifact = await self.artifacts(lease_s=SILENT).begin(name)
        assert artifact is not None
        return artifact

    async def stored_video(self, folder: Path) -> VideoStore:
        """A store with one video, whose id is `video`."""
        (folder / "content").write_bytes(b"content")
        cache = CacheIndex(self.redis, folder / "cache", ttl_s=60)
        store = VideoStore(self.redis, BlobStore(folder / "blobs"), cache, ttl_s=60)
        await store.add(Video("video", 7, None, {}, time.time()), folder / "content")
        return store

    async def waiting(self, **request: Any) -> str:
        """A new job."""
        job, _ = await self.store().create("video", {}, **request)
        return job.id

    async def running(self) -> str:
        """A job that attempt 1 holds."""
        job_id = await self.waiting()
        assert (await self.begin(job_id)).attempt == 1
        return job_id

    async def give_detections(self, sha256: str = "sha256") -> None:
        """A file of detections that a job can be given."""
        await self.redis.set(redis_keys.detections(sha256), f"detections/{sha256}.1")

    async def begin(self, job_id: str) -> Job:
        """A new attempt, even if another one holds the job."""
        job = await self.store(lease_s=SILENT).begin(job_id)
        assert job is not None
        return job

    async def die(self, job_id: str) -> None:
        """Long ago was the last sign of life of the job's attempt."""
        await self.redis.zadd(redis_keys.RUNNING, {job_id: 0}, xx=True)

    async def held(self) -> dict[str, Any]:
        """Everything in Valkey, by key."""
        return {key: await self._value(key) for key in sorted(cast("list[str]", await self.redis.keys()))}

    async def _value(self, key: str) -> Any:
        match await self.redis.type(key):
            case "hash":
                return await self.redis.hgetall(key)
            case "zset":
                return await self.redis.zrange(key, 0, -1, withscores=True)
            case "stream":
                return await self.redis.xrange(key)
            case "set":
                return await self.redis.smembers(key)
            case _:
                return await self.redis.get(key)

    async def events(self, job_id: str) -> list[dict[str, str]]:
        """Of a job, from its own stream."""
        return [fields for _, fields in await self.redis.xrange(redis_keys.job_events(job_id))]

    async def check_events(self) -> None:
        """Every change of every job has its event: the numbers are consecutive, and the last one is the version."""
        for key in cast("list[str]", await self.redis.keys(f"{redis_keys.JOB_HEAD}*")):
            job_id, version = key.removeprefix(redis_keys.JOB_HEAD), int(await self.redis.hget(key, "version") or 0)
            numbers = [int(event["number"]) for event in await self.events(job_id)]
            assert numbers == list(range(version - len(numbers) + 1, version + 1)), job_id
            assert len(numbers) >= min(version, redis_keys.MOST_ENDED_JOB_EVENTS), job_id
            newest = (await self.events(job_id))[-1]
            stored = await self.redis.hgetall(key)
            assert {name: stored.get(name) for name in ("id", "state", "attempt", "cancel", "progress")} == {
                name: newest.get(name) for name in ("id", "state", "attempt", "cancel", "progress")
            }

    async def counted(self) -> dict[str, str]:
        """The counters of all workers."""
        return cast("dict[str, str]", await self.redis.hgetall(redis_keys.COUNTERS))

    async def members(self, key: str) -> list[str]:
        """Jobs in one of the two sorted sets."""
        return cast("list[str]", await self.redis.zrange(key, 0, -1))

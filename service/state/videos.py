"""Properties of videos, by the hash of their content."""

import json
import time
from dataclasses import asdict, dataclass
from typing import Any, cast

from redis.asyncio import Redis

from dualtrack.errors import NotFound
from service.state import redis_keys
from service.state.blobs import BlobStore
from service.state.cache_index import CacheIndex
from service.state.connection import script, translated
from service.state.job import FORMAT


@dataclass(frozen=True, slots=True)
class Video:
    """One stored video; `id` is its sha256, `info` the result of the probe."""

    id: str
    size_bytes: int
    filename: str | None
    info: dict[str, Any]
    created_at: float


class VideoStore:
    """All videos. Their files are in the blob store, derived data in the cache."""

    def __init__(self, redis: Redis, blobs: BlobStore, cache: CacheIndex, *, ttl_s: int) -> None:
        self._redis, self._blobs, self._cache, self._ttl_s = redis, blobs, cache, ttl_s
        self._cancel = script(redis, "cancel")

    async def add(self, video: Video) -> tuple[Video, bool]:
        """Add a video; returns the existing one if its content is known, and whether it is new."""
        with translated():
            fresh = await self._redis.set(
                redis_keys.video(video.id), json.dumps(asdict(video)), nx=True, ex=self._ttl_s
            )
            await self._redis.delete(redis_keys.deleted_video(video.id))
        return (video, True) if fresh else (await self.get(video.id), False)

    async def get(self, video_id: str) -> Video:
        """The video; each access renews its time to live.

        Raises:
            NotFound: the video is unknown, expired or deleted.
        """
        with translated():
            text = await self._redis.getex(redis_keys.video(video_id), ex=self._ttl_s)
        if text is None or not self._blobs.touch(video_id):
            raise NotFound(f"video: no video has the id {video_id!r}", code="unknown-video")
        return Video(**json.loads(text))

    async def delete(self, video_id: str) -> None:
        """Delete a video and all of its files, and stop its jobs, which raise `Gone` from now on."""
        await self.get(video_id)
        with translated():
            await self._redis.set(redis_keys.deleted_video(video_id), "1", ex=self._ttl_s)
            jobs = cast("list[str]", await self._redis.zrange(redis_keys.video_jobs(video_id), 0, -1))
            given = {await self._redis.hget(redis_keys.job(job_id), "detections") for job_id in jobs}
            for job_id in jobs:
                await self._cancel(
                    keys=[redis_keys.job(job_id), redis_keys.QUEUED, redis_keys.COUNTERS],
                    args=[job_id, time.time(), redis_keys.COUNTERS_TTL_S, FORMAT],
                )
            await self._redis.delete(redis_keys.video(video_id), redis_keys.video_jobs(video_id))
        for sha256 in (video_id, *cast("set[str | None]", given)):
            if sha256 is not None:
                await self._blobs.delete(sha256)
        await self._cache.forget(video_id)
        for job_id in jobs:
            await self._blobs.remove_results(job_id)

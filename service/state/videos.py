"""Properties of videos, by the hash of their content."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis

from dualtrack.errors import NotFound, Unavailable
from service.state import redis_keys
from service.state.artifact import OF_JOB, OF_VIDEO
from service.state.blobs import VIDEOS, BlobStore, first_name
from service.state.cache_index import CacheIndex
from service.state.connection import script, translated
from service.state.job import FORMAT


@dataclass(frozen=True, slots=True)
class Video:
    """One stored video.

    Attributes:
        id: its sha256.
        info: what the probe said.
        file: name of the file in the blob store.
    """

    id: str
    size_bytes: int
    filename: str | None
    info: dict[str, Any]
    created_at: float
    file: str = ""


class VideoStore:
    """All videos. Their files are in the blob store, derived data in the cache."""

    def __init__(self, redis: Redis, blobs: BlobStore, cache: CacheIndex, *, ttl_s: int) -> None:
        self._redis, self._blobs, self._cache, self._ttl_s = redis, blobs, cache, ttl_s
        self._add, self._delete = script(redis, "add_video"), script(redis, "delete_video")

    async def add(self, video: Video, content: Path) -> tuple[Video, bool]:
        """Store a video.

        Args:
            video: its properties.
            content: the file, which is moved into the store.

        Returns:
            The video, which is the existing one if its content is known, and whether it is new.

        Raises:
            Unavailable: Redis can't be reached, or the disk is full.
        """
        mine = replace(video, file=await self._blobs.publish(content, VIDEOS, video.id))
        known, missing = None, ""
        try:
            while True:
                with translated():
                    record = await self._add(
                        keys=[redis_keys.video(video.id), redis_keys.deleted_video(video.id)],
                        args=[json.dumps(asdict(mine)), self._ttl_s, missing],
                    )
                known = _parse(record)
                if self._blobs.touch(known.file):
                    return known, known.file == mine.file
                if record == missing or known.file == mine.file:
                    raise Unavailable(f"video {video.id}: its file disappeared while it was stored", retry_after_s=1)
                missing = record
        finally:
            if known is None or known.file != mine.file:
                await self._blobs.delete(mine.file)

    async def get(self, video_id: str) -> Video:
        """The video; each access renews its time to live.

        Raises:
            NotFound: the video is unknown, expired or deleted.
        """
        with translated():
            text = cast("str | None", await self._redis.getex(redis_keys.video(video_id), ex=self._ttl_s))
        video = None if text is None else _parse(text)
        if video is None or not self._blobs.touch(video.file):
            raise _unknown(video_id)
        return video

    def path(self, video: Video) -> Path:
        """Path of its file."""
        return self._blobs.path(video.file)

    async def delete(self, video_id: str) -> None:
        """Forget a video, stop its jobs, remove all files of it; its jobs answer `Gone` from now on.

        Raises:
            NotFound: it is unknown, expired or deleted.
        """
        with translated():
            answer = await self._delete(
                keys=[
                    redis_keys.video(video_id),
                    redis_keys.deleted_video(video_id),
                    redis_keys.video_jobs(video_id),
                    redis_keys.owner_events(redis_keys.OWNER),
                    redis_keys.QUEUED,
                    redis_keys.COUNTERS,
                    redis_keys.artifacts_of(f"{OF_VIDEO}:{video_id}"),
                    redis_keys.ARTIFACTS_WAITING,
                    redis_keys.ARTIFACTS_RUNNING,
                ],
                args=[
                    time.time(),
                    self._ttl_s,
                    redis_keys.COUNTERS_TTL_S,
                    FORMAT,
                    redis_keys.JOB_HEAD,
                    redis_keys.CHECKPOINTS_HEAD,
                    redis_keys.JOB_EVENTS_HEAD,
                    redis_keys.DETECTIONS_HEAD,
                    redis_keys.OWNERS_HEAD,
                    redis_keys.ARTIFACT_HEAD,
                    redis_keys.artifacts_of(f"{OF_JOB}:"),
                ],
            )
        if not answer:
            raise _unknown(video_id)
        record, jobs, detections = answer
        for name in (_parse(record).file, *detections):
            await self._blobs.delete(name)
        await self._cache.forget(video_id)
        await self._blobs.remove_artifacts(f"{OF_VIDEO}:{video_id}")
        for job_id in jobs:
            await self._blobs.remove_results(job_id)
            await self._blobs.remove_artifacts(f"{OF_JOB}:{job_id}")


def _parse(record: str) -> Video:
    fields: Mapping[str, Any] = json.loads(record)
    return Video(**{"file": first_name(fields["id"]), **fields})


def _unknown(video_id: str) -> NotFound:
    return NotFound(f"video: no video has the id {video_id!r}", code="unknown-video")

"""Properties of videos, by the hash of their content."""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
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

DELETION_S = 60.0
"""Age from which another process finishes a deletion."""


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
        self._drop = script(redis, "drop_video")

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
                        keys=[
                            redis_keys.video(video.id),
                            redis_keys.deleted_video(video.id),
                            redis_keys.video_uploads(video.id),
                        ],
                        args=[json.dumps(asdict(mine)), self._ttl_s, missing],
                    )
                known = _parse(record)
                if known.file == mine.file:
                    # if its file is gone already, the video was deleted after it was stored
                    return known, True
                if self._blobs.touch(known.file):
                    return known, False
                if record == missing:
                    raise Unavailable(f"video {video.id}: its file disappeared while it was stored", retry_after_s=1)
                missing = record
        finally:
            if known is None or known.file != mine.file:
                await self._blobs.delete(mine.file)

    async def drop(self, video: Video) -> None:
        """Forget a video that was just stored for a job that was not made, unless somebody else has uploaded it, too.

        Raises:
            Unavailable: Redis can't be reached; the video goes after its time to live.
        """
        with translated():
            dropped = await self._drop(
                keys=[redis_keys.video(video.id), redis_keys.video_uploads(video.id), redis_keys.video_jobs(video.id)],
                args=[json.dumps(asdict(video))],
            )
        if dropped:
            await self._blobs.delete(video.file)

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

        If this process ends before all files are removed, `finish_deletions` does it.

        Raises:
            NotFound: it is unknown, expired or deleted.
        """
        deletion = uuid.uuid4().hex
        with translated():
            answer = await self._delete(
                keys=[
                    redis_keys.video(video_id),
                    redis_keys.deleted_video(video_id),
                    redis_keys.video_jobs(video_id),
                    redis_keys.owner_events(redis_keys.OWNER),
                    redis_keys.QUEUED,
                    redis_keys.COUNTERS,
                    redis_keys.REMOVALS,
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
                    deletion,
                    redis_keys.ARTIFACT_HEAD,
                    redis_keys.artifacts_of(f"{OF_JOB}:"),
                ],
            )
        if not answer:
            raise _unknown(video_id)
        record, jobs, detections = answer
        await self._remove(deletion, record, jobs, detections)

    async def finish_deletions(self) -> None:
        """Remove the files of videos that were deleted by processes that ended meanwhile.

        Raises:
            Unavailable: Redis can't be reached.
        """
        with translated():
            left = cast("dict[str, str]", await self._redis.hgetall(redis_keys.REMOVALS))
        for deletion, text in left.items():
            entry = json.loads(text)
            # a younger one is being done by the process that began it
            if time.time() - float(entry["at"]) > DELETION_S:
                # Lua writes an empty list as an empty object
                await self._remove(deletion, entry["record"], list(entry["jobs"]), list(entry["files"]))

    async def _remove(self, deletion: str, record: str, jobs: Sequence[str], files: Sequence[str]) -> None:
        """Remove all files of a deleted video, and then the note that there are some."""
        video = _parse(record)
        for name in (video.file, *files):
            await self._blobs.delete(name)
        await self._cache.forget(video.id)
        await self._blobs.remove_artifacts(f"{OF_VIDEO}:{video.id}")
        for job_id in jobs:
            await self._blobs.remove_results(job_id)
            await self._blobs.remove_artifacts(f"{OF_JOB}:{job_id}")
        with translated():
            await self._redis.hdel(redis_keys.REMOVALS, deletion)


def _parse(record: str) -> Video:
    fields: Mapping[str, Any] = json.loads(record)
    return Video(**{"file": first_name(fields["id"]), **fields})


def _unknown(video_id: str) -> NotFound:
    return NotFound(f"video: no video has the id {video_id!r}", code="unknown-video")

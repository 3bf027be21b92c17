"""The index of the stage cache: cached results of earlier runs, by video.

The files are in one folder per video, written and removed by the engines; this index can be read by other processes. It
may be incomplete: files cached in the last attempt of a killed worker are missing until they are used again.
"""

import asyncio
import contextlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from redis.asyncio import Redis

from service.state import redis_keys
from service.state.blobs import remove_if_older
from service.state.connection import translated


@dataclass(frozen=True, slots=True)
class CachedStage:
    """One cached result: `clip`, `shots`, `given`, `detections`, `tubelets` or `checkpoint`, its size and last use."""

    stage: str
    size_bytes: int
    used_at: float


class CacheIndex:
    """The cached results of all videos.

    Args:
        redis: the connection (`decode_responses=True`).
        root: folder of the cache; a key is `video/stage-hash`, and the file's path below it.
        ttl_s: time to live of a video's list and of unused files.
    """

    def __init__(self, redis: Redis, root: Path, *, ttl_s: int) -> None:
        self._redis, self._root, self._ttl_s = redis, root, ttl_s

    async def note(self, key: str, size_bytes: int | None) -> None:
        """Record that the file under `key` was used, or removed if `size_bytes` is None."""
        video_id, _, name = key.partition("/")
        index = redis_keys.video_cache(video_id)
        with translated():
            if size_bytes is None:
                await self._redis.hdel(index, name)
                return
            async with self._redis.pipeline() as pipe:
                pipe.hset(index, name, json.dumps({"size_bytes": size_bytes, "used_at": time.time()}))
                pipe.expire(index, self._ttl_s)
                await pipe.execute()

    async def entries(self, video_id: str) -> list[CachedStage]:
        """The cached results of a video, most recently used first."""
        with translated():
            fields = cast("dict[str, str]", await self._redis.hgetall(redis_keys.video_cache(video_id)))
        found = [CachedStage(name.partition("-")[0], **json.loads(text)) for name, text in fields.items()]
        return sorted(found, key=lambda entry: entry.used_at, reverse=True)

    async def forget(self, video_id: str) -> None:
        """Remove a video's list and files."""
        with translated():
            await self._redis.delete(redis_keys.video_cache(video_id))
        await asyncio.to_thread(shutil.rmtree, self._root / video_id, ignore_errors=True)

    def sweep(self) -> None:
        """Remove files that were not used within their time to live."""
        for path in self._root.glob("*/*"):
            remove_if_older(path, self._ttl_s)
            with contextlib.suppress(OSError):  # the folder has other files of the video
                path.parent.rmdir()

"""The index of the stage cache: which results of earlier runs there are of each video.

The files lie in one folder per video and are written and removed by the engines; this is the list of them that other
processes can read. It may lag behind: a worker that is killed leaves out what its last attempt cached, until that is
used again.
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
    """One stage result: `clip`, `shots`, `given`, `detections`, `tubelets` or `checkpoint`, its size, its last use."""

    stage: str
    size_bytes: int
    used_at: float


class CacheIndex:
    """What is cached of every video.

    Args:
        redis: the connection (`decode_responses=True`).
        root: folder of the cache; a key is `video/stage-hash`, and the file's path below it.
        ttl_s: how long a video's list and an unused file are kept.
    """

    def __init__(self, redis: Redis, root: Path, *, ttl_s: int) -> None:
        self._redis, self._root, self._ttl_s = redis, root, ttl_s

    async def note(self, key: str, size_bytes: int | None) -> None:
        """The file under `key` was used; without a size: it was removed."""
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
        """What is cached of a video, the last used first."""
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
        """Remove the files that nobody has used for their time to live."""
        for path in self._root.glob("*/*"):
            remove_if_older(path, self._ttl_s)
            with contextlib.suppress(OSError):  # the video has other files here
                path.parent.rmdir()

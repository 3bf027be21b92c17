"""Detections files: each is owned by the jobs and requests that need it, and removed with the last of them."""

import contextlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

from redis.asyncio import Redis

from dualtrack.errors import NotFound, Unavailable
from service.state import redis_keys
from service.state.blobs import DETECTIONS, BlobStore
from service.state.connection import script, translated

HOLD_S = 15 * 60
"""Maximum time for which a request holds a file, in case its process is killed."""


class DetectionsStore:
    """All detections files by the sha256 of the upload; the files are in the blob store.

    A job owns its file from its creation until it expires or its video is deleted (`create.lua`, `delete_video.lua`).

    Args:
        redis: the connection (`decode_responses=True`).
        blobs: the blob store.
        ttl_s: time to live of a job.
    """

    def __init__(self, redis: Redis, blobs: BlobStore, *, ttl_s: int) -> None:
        self._redis, self._blobs, self._ttl_s = redis, blobs, ttl_s
        self._hold, self._let_go = script(redis, "hold_detections"), script(redis, "let_go_detections")

    async def path(self, sha256: str) -> Path:
        """Path of the file; each access renews its time to live.

        Raises:
            NotFound: the file is unknown or was removed.
            Unavailable: Redis can't be reached.
        """
        with translated():
            name = cast("str | None", await self._redis.get(redis_keys.detections(sha256)))
        if not name or not self._blobs.touch(name):
            raise _unknown(sha256)
        return self._blobs.path(name)

    @contextlib.asynccontextmanager
    async def held(self, sha256: str, content: Path | None = None) -> AsyncIterator[Path]:
        """Own the file for the duration of the block, after which it is removed unless a job owns it.

        Args:
            sha256: of the upload.
            content: the file, which is moved into the store; None if it is stored already.

        Raises:
            NotFound: the file is unknown.
            Unavailable: Redis can't be reached.
        """
        owner = f"request:{uuid.uuid4().hex}"
        try:
            yield self._blobs.path(await self._own(sha256, owner, content))
        finally:
            with contextlib.suppress(Unavailable):  # the file is then removed after its time to live
                await self._disown(sha256, owner)

    async def _own(self, sha256: str, owner: str, content: Path | None) -> str:
        mine = "" if content is None else await self._blobs.publish(content, DETECTIONS, sha256)
        known = missing = ""
        try:
            while True:
                with translated():
                    known = str(
                        await self._hold(
                            keys=[redis_keys.detections(sha256), redis_keys.detections_owners(sha256)],
                            args=[owner, HOLD_S, self._ttl_s, mine, missing],
                        )
                    )
                if known and self._blobs.touch(known):
                    return known
                if not mine or known == missing != "":
                    raise _unknown(sha256)
                missing = known
        finally:
            if mine and known != mine:
                await self._blobs.delete(mine)

    async def _disown(self, sha256: str, owner: str) -> None:
        with translated():
            file = await self._let_go(
                keys=[redis_keys.detections(sha256), redis_keys.detections_owners(sha256)], args=[owner]
            )
        if file:
            await self._blobs.delete(file)


def _unknown(sha256: str) -> NotFound:
    return NotFound(f"detections: no file has the id {sha256!r}", code="unknown-detections")

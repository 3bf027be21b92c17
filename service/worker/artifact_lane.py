"""Makes artifacts beside the jobs of a worker, one at a time, so that neither waits for the other."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from dualtrack.errors import Unavailable

log = structlog.get_logger()
CLOSE_S = 5.0
"""Interval at which a lane that is closing is canceled again: a cancellation can be lost, see `processes/heartbeat`."""


class ArtifactLane:
    """A task that makes all artifacts that are due whenever it is woken.

    A delivery by the queue only wakes it, since the worker may be busy with another artifact then; which artifact is
    next is decided in Redis.

    Args:
        due: names of the artifacts that can be begun, in order.
        make: makes one; returns False if there was nothing to do.
    """

    def __init__(self, due: Callable[[], Awaitable[list[str]]], make: Callable[[str], Awaitable[bool]]) -> None:
        self._due, self._make = due, make
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look for artifacts now, or after the current one."""
        self._woken.set()

    async def deliver(self, name: str) -> None:
        """The queue's task."""
        log.debug("artifact delivered", artifact=name)
        self.wake()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Make artifacts for the duration of the block; the current one is then released to another worker."""
        working = asyncio.create_task(self._work())
        try:
            yield
        finally:
            while not working.done():
                working.cancel()
                await asyncio.wait({working}, timeout=CLOSE_S)

    async def _work(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                while await self._made_one():
                    pass
            except Unavailable as error:
                # woken again by the worker's heartbeat
                log.warning("artifacts not available", code=error.code, reason=error.detail)
            except Exception:
                log.exception("artifacts not made")

    async def _made_one(self) -> bool:
        """Make the first artifact that can be begun; False if there is none."""
        for name in await self._due():
            if await self._make(name):
                return True
        return False

"""A periodic task that reliably ends with its block."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable


@contextlib.asynccontextmanager
async def heartbeat(act: Callable[[], Awaitable[None]], every_s: float) -> AsyncIterator[None]:
    """Await `act()` every `every_s` seconds for the duration of the block; an exception in it ends the block.

    Canceling alone is not reliable: on Python 3.11 `asyncio.wait_for`, used by redis-py, loses a cancellation that
    arrives in the same iteration of the loop as its completion (cpython issue 86296).
    """
    over = asyncio.Event()

    async def beat() -> None:
        while not over.is_set():
            await act()
            await asyncio.sleep(every_s)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(beat())
        try:
            yield
        finally:
            over.set()
            task.cancel()

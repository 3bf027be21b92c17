"""A periodic task that reliably ends with its block."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable


@contextlib.asynccontextmanager
async def heartbeat(act: Callable[[], Awaitable[None]], every_s: float) -> AsyncIterator[None]:
    """Await `act()` every `every_s` seconds for the length of the block; what it raises ends the block.

    A cancel alone does not end it reliably: on Python 3.11 `asyncio.wait_for`, with which redis-py sends, drops a
    cancel that arrives in the same iteration of the loop as its own end (cpython issue 86296).
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

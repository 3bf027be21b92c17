"""The end of a process: long polls are answered at once, requests under way finish, nothing is refused."""

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvicorn

Value = TypeVar("Value")


class DrainingServer(uvicorn.Server):
    """A server that says when it begins to stop.

    Args:
        config: of uvicorn.
        stopping: set then.
    """

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, and wait for the requests under way."""
        self._stopping.set()
        await super().shutdown(sockets)


async def unless_stopping(work: Coroutine[Any, Any, Value], stopping: asyncio.Event) -> Value | None:
    """What `work` returns; None once the process stops, whatever `work` still waits for."""
    task, stop = asyncio.ensure_future(work), asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for each in (task, stop):
            each.cancel()

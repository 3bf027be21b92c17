"""The end of a process: long polls are answered at once, requests under way finish, nothing is refused."""

import asyncio
import socket
import time
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

import uvicorn

Value = TypeVar("Value")


class DrainingServer(uvicorn.Server):
    """A server that says when it is about to stop, and when it begins to.

    Args:
        config: of uvicorn.
        stopping: set when it begins to stop.
        leaving: set at the first signal.
        unready_s: seconds between the two, in which it serves as before; a second signal ends them.
    """

    def __init__(
        self, config: uvicorn.Config, stopping: asyncio.Event, leaving: asyncio.Event, *, unready_s: float = 0.0
    ) -> None:
        super().__init__(config)
        self._stopping, self._leaving, self._unready_s = stopping, leaving, unready_s
        self._stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Leave at the first signal, stop at the second."""
        super().handle_exit(sig, frame)
        self._leaving.set()
        if self._stop_at is None:
            self._stop_at = time.monotonic() + self._unready_s
            self.should_exit = False

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop now; asked ten times a second."""
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, and wait for the requests under way."""
        self._leaving.set()
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

"""Runs a coroutine until SIGTERM or SIGINT."""

import asyncio
import signal
from collections.abc import Coroutine


async def until_stopped(work: Coroutine[None, None, None], *, drain_s: float | None = None) -> None:
    """Run `work` until SIGTERM or SIGINT, which cancels it, and cancels it again `drain_s` later."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()
        if drain_s is not None:
            loop.call_later(drain_s, task.cancel)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped:
            raise

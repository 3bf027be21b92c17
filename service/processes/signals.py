"""Runs a coroutine until SIGTERM or SIGINT."""

import asyncio
import signal
from collections.abc import Callable, Coroutine


async def until_stopped(
    work: Coroutine[None, None, None], *, drain_s: float = 0.0, give_up: Callable[[], None] = lambda: None
) -> None:
    """Run `work` until SIGTERM or SIGINT, which cancels it.

    Args:
        work: may end what it has begun after it was canceled.
        drain_s: seconds after the signal at which `give_up` is called.
        give_up: ends what `work` still does. A second cancellation would not: it can reach `work` while it handles the
            first one, and both count as one then.
    """
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()
        loop.call_later(drain_s, give_up)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped:
            raise

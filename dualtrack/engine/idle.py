"""Is a process frozen? One that works uses the processor, whether or not it has anything to report."""

from asyncio import sleep, to_thread
from collections.abc import Callable

from dualtrack.cpu_time import tree_s

CHECKS = 8
"""Checks in a row that must find nothing. Counted, not timed: after a pause of the whole machine, or of the process
that watches, one check comes late and is still one."""
IDLE_SHARE = 0.001
"""A process that uses less of a core is frozen: threads of its libraries wake up now and then all the same."""


async def until_frozen(pid: int, silent_s: float, heard: Callable[[], int]) -> None:
    """Wait until a process has neither said anything nor used the processor for `silent_s`; its children count too.

    Args:
        pid: of the process.
        silent_s: seconds.
        heard: how many messages have come from it so far.
    """
    before, idle = (heard(), await to_thread(tree_s, pid)), 0
    while idle < CHECKS:
        await sleep(silent_s / CHECKS)
        now = (heard(), await to_thread(tree_s, pid))
        if now[0] != before[0] or now[1] - before[1] > IDLE_SHARE * silent_s:
            before, idle = now, 0
        else:
            idle += 1

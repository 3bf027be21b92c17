"""Is a process frozen? One that works uses the processor, whether or not it has anything to report."""

import asyncio
from collections.abc import Callable
from pathlib import Path

PROC = Path("/proc")
TICKS = 100
"""Of /proc, a second: the same on every Linux that Python runs on."""
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
    before, idle = (heard(), await asyncio.to_thread(cpu_s, pid)), 0
    while idle < CHECKS:
        await asyncio.sleep(silent_s / CHECKS)
        now = (heard(), await asyncio.to_thread(cpu_s, pid))
        if now[0] != before[0] or now[1] - before[1] > IDLE_SHARE * silent_s:
            before, idle = now, 0
        else:
            idle += 1


def cpu_s(pid: int) -> float:
    """Processor time of a process, its descendants, and those that have ended, in seconds; 0 if there is no such."""
    parents, ticks = {}, {}
    for path in PROC.glob("[0-9]*/stat"):
        try:
            # the name, in brackets, may hold spaces and brackets
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
            number = int(path.parent.name)
            parents[number], ticks[number] = int(fields[1]), sum(int(field) for field in fields[11:15])
        except (OSError, IndexError, ValueError):  # it has just ended
            continue
    return sum(count for number, count in ticks.items() if _descends(number, pid, parents)) / TICKS


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    seen = 0
    while pid != ancestor and pid in parents and seen < len(parents):
        pid, seen = parents[pid], seen + 1
    return pid == ancestor

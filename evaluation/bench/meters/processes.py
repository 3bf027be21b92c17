"""Processes below this one, by /proc."""

import os
import signal
from pathlib import Path


def children(pid: int | None = None) -> list[int]:
    """All processes below `pid` (this one), children before their own children."""
    found: list[int] = []
    for thread in _listed(Path(f"/proc/{pid or os.getpid()}/task")):
        for child in _read(thread / "children").split():
            found += [int(child), *children(int(child))]
    return found


def resident(pid: int) -> int:
    """Bytes in memory; 0 of a process that is gone."""
    words = _read(Path(f"/proc/{pid}/statm")).split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE") if words else 0


def kill_children() -> None:
    """End all processes below this one by the signal that none can catch."""
    for pid in children():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # gone
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # gone
        return ""

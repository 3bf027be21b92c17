"""Descendants of this process, from /proc."""

import os
import signal
from pathlib import Path


def children(pid: int | None = None) -> list[int]:
    """All descendants of `pid` (default: this process), parents before their children."""
    found: list[int] = []
    for thread in _listed(Path(f"/proc/{pid or os.getpid()}/task")):
        for child in _read(thread / "children").split():
            found += [int(child), *children(int(child))]
    return found


def resident(pid: int) -> int:
    """Resident bytes; 0 if the process has terminated."""
    words = _read(Path(f"/proc/{pid}/statm")).split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE") if words else 0


def kill_children() -> None:
    """Kill all descendants of this process with SIGKILL."""
    for pid in children():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # terminated
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # terminated
        return ""

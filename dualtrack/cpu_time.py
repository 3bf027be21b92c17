"""Processor time of other processes: whether one that says nothing works, waits for its turn, or is frozen."""

from pathlib import Path

PROC = Path("/proc")
TICKS = 100
"""Of /proc, a second: the same on every Linux that Python runs on."""


def own_s(pid: int) -> float:
    """Processor time of a process alone, in seconds; 0 if there is no such."""
    found = _stat(PROC / str(pid) / "stat")
    return 0.0 if found is None else found[1] / TICKS


def tree_s(pid: int) -> float:
    """Processor time of a process, its descendants, and those that have ended, in seconds; 0 if there is no such."""
    found = {int(path.parent.name): _stat(path) for path in PROC.glob("[0-9]*/stat")}
    known = {number: stat for number, stat in found.items() if stat is not None}
    parents = {number: parent for number, (parent, _) in known.items()}
    return sum(ticks for number, (_, ticks) in known.items() if _descends(number, pid, parents)) / TICKS


def _stat(path: Path) -> tuple[int, int] | None:
    """Parent and ticks, those of ended children included; None if the process has just ended."""
    try:
        # the name, in brackets, may hold spaces and brackets
        fields = path.read_text(errors="replace").rpartition(")")[2].split()
        return int(fields[1]), sum(int(field) for field in fields[11:15])
    except (OSError, IndexError, ValueError):
        return None


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    seen = 0
    while pid != ancestor and pid in parents and seen < len(parents):
        pid, seen = parents[pid], seen + 1
    return pid == ancestor

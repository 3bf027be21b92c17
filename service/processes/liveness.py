"""A worker's local heartbeat: a file that it touches while its event loop runs.

`python -m service.processes.liveness FILE [SECONDS]` is a probe for containers: exit code 0 if the file was touched
within that many seconds. It does not check Redis or Triton: without them a worker waits, and restarting it would lose
the job.
"""

import sys
import time
from pathlib import Path

MOST_S = 60.0
"""Default of SECONDS; a heartbeat that can't reach Redis takes up to a quarter of that."""


def show(path: Path) -> None:
    """Touch the file; its folder must exist."""
    path.touch()


def check(path: Path) -> None:
    """Touch the file for the first time.

    Raises:
        ConfigurationError: it can't be written; one line.
    """
    # imported here because the probe needs no errors
    from dualtrack.errors import ConfigurationError  # noqa: PLC0415

    try:
        show(path)
    except OSError as error:
        raise ConfigurationError(
            f"DUALTRACK_LIVENESS_FILE: expected a file that this user can write, got {path}: {error.strerror}"
        ) from error


def silent_s(path: Path) -> float:
    """Seconds since the file was touched; infinite if it does not exist."""
    try:
        return max(time.time() - path.stat().st_mtime, 0.0)
    except FileNotFoundError:
        return float("inf")


def main(arguments: list[str]) -> int:
    """Exit code 0 if alive, 1 if not, 2 for wrong usage."""
    if not 1 <= len(arguments) <= 2:
        sys.stderr.write("usage: python -m service.processes.liveness FILE [SECONDS]\n")
        return 2
    path, most_s = Path(arguments[0]), float(arguments[1]) if len(arguments) == 2 else MOST_S
    silent = silent_s(path)
    if silent > most_s:
        sys.stderr.write(f"worker: expected a heartbeat in {path} within {most_s:g} s, got none for {silent:.0f} s\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

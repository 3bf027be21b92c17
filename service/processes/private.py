"""Folders that nobody but their owner can enter: videos and results are not for other users of the machine."""

import contextlib
from pathlib import Path

from dualtrack.errors import ConfigurationError

PRIVATE = 0o077
"""The umask of processes that serve: new files are 0600, new folders 0700."""
PARTS = ("blobs", "cache", "scratch", "valkey")
"""Folders of the data directory."""


def private_folder(root: Path) -> None:
    """Create the data directory; its parts are closed to others, also those that an earlier version left open.

    A directory that is already there keeps its own rights: it may be a mounted volume, or hold other things.

    Raises:
        ConfigurationError: the directory can't be created or written; one line.
    """
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in PARTS:
            part = root / name
            part.mkdir(mode=0o700, exist_ok=True)
            if part.stat().st_mode & PRIVATE:
                with contextlib.suppress(PermissionError):  # another user's, who shares it on purpose
                    part.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(
            f"DUALTRACK_DATA_DIR: expected a directory that this user can write, got {root}: {error.strerror}"
        ) from error

"""Scratch folders of workers, with locks by which folders of killed workers are found."""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def scratch_folder(root: Path, name: str) -> Iterator[Path]:
    """`root/name`, not created yet, removed at the end; a lock shows that the owner is alive."""
    root.mkdir(parents=True, exist_ok=True)
    lock = root / f"{name}.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield root / name
        finally:
            shutil.rmtree(root / name, ignore_errors=True)
            lock.unlink(missing_ok=True)


def sweep_scratch(root: Path) -> None:
    """Remove the folders whose owner is dead."""
    for lock in root.glob("*.lock"):
        with contextlib.suppress(OSError), lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)

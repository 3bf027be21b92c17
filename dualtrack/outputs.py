"""Checks of where results go, before the work: a path that can't be written is found at once, not after an hour."""

import tempfile
from pathlib import Path

from dualtrack.errors import InvalidParameter


def writable_folder(path: Path | None) -> Path | None:
    """The path of a folder that exists and can be written, or can be created; nothing is created yet. None stays None.

    Raises:
        InvalidParameter: it can't; the message says why.

    Example:
        >>> writable_folder(Path("/dev/null/results"))
        Traceback (most recent call last):
        dualtrack.errors.InvalidParameter: output: expected a folder, got /dev/null/results: /dev/null is not a folder
    """
    if path is not None:
        _check(path, path, "a folder")
    return path


def writable_file(path: Path | None) -> Path | None:
    """The path of a file that can be written, in a folder that exists. None stays None.

    Raises:
        InvalidParameter: it can't; the message says why.
    """
    if path is not None:
        if path.is_dir():
            raise InvalidParameter(f"output: expected a file, got the folder {path}")
        if not path.parent.exists():
            raise InvalidParameter(f"output: expected a file in a folder that exists, got {path}")
        _check(path.parent, path, "a file")
    return path


def _check(folder: Path, path: Path, wanted: str) -> None:
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise InvalidParameter(f"output: expected {wanted}, got {path}: {there} is not a folder")
    try:
        # the only check that also knows of full disks and read-only file systems
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise InvalidParameter(
            f"output: expected {wanted} that can be written, got {path}: {error.strerror}"
        ) from error

"""Checks of where results go, before the work: a path that can't be written is found at once, not after an hour."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dualtrack.errors import InvalidParameter
from dualtrack.formats.table import FILES


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


def writable_results(folder: Path) -> Path:
    """The path of a folder in which every file of a result can be written; nothing is created yet.

    Raises:
        InvalidParameter: it can't; the message says why.
    """
    writable_folder(folder)
    for file in FILES.values():
        if (folder / file.name).is_dir():
            raise InvalidParameter(f"output: expected a file, got the folder {folder / file.name}")
    return folder


def writable_file(path: Path | None) -> Path | None:
    """The path of a file that can be written, in a folder that exists. None stays None.

    Raises:
        InvalidParameter: it can't; the message says why.
    """
    if path is not None:
        with _named(path, "a file"):
            if path.is_dir():
                raise InvalidParameter(f"output: expected a file, got the folder {path}")
            if not path.parent.exists():
                raise InvalidParameter(f"output: expected a file in a folder that exists, got {path}")
            is_special = path.exists() and not path.is_file()
            if path.exists() and not os.access(path, os.W_OK):
                raise InvalidParameter(f"output: expected a file that can be written, got {path}: Permission denied")
        if not is_special:  # such as /dev/stdout
            _check(path.parent, path, "a file")
    return path


def _check(folder: Path, path: Path, wanted: str) -> None:
    with _named(path, wanted):
        there = folder.absolute()
        while not there.exists():
            if there.is_symlink():
                raise InvalidParameter(f"output: expected {wanted}, got {path}: {there} is a link to nothing")
            there = there.parent
        if not there.is_dir():
            raise InvalidParameter(f"output: expected {wanted}, got {path}: {there} is not a folder")
        # the only check that also knows of full disks and read-only file systems
        with tempfile.TemporaryFile(dir=there):
            pass


@contextlib.contextmanager
def _named(path: Path, wanted: str) -> Iterator[None]:
    """Errors of the system, such as a name that is too long or a disk that is full, as ours."""
    try:
        yield
    except OSError as error:
        raise InvalidParameter(
            f"output: expected {wanted} that can be written, got {path}: {error.strerror}"
        ) from error

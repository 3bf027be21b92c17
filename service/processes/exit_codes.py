"""How a command ends that meets one of our errors: one line on standard error, and an exit code by its class."""

import sys
from typing import NoReturn

from dualtrack.errors import (
    ConfigurationError,
    Conflict,
    DualtrackError,
    Gone,
    InferenceError,
    InvalidInput,
    NewerFormat,
    NotFound,
    Overloaded,
    Unavailable,
)

UNAVAILABLE = 5
"""Something that may be back soon, such as Redis, can't be reached."""
EXIT_CODES: tuple[tuple[type[DualtrackError], int], ...] = (
    (InvalidInput, 3),
    (NotFound, 4),
    (Conflict, 4),
    (Gone, 4),
    (Overloaded, UNAVAILABLE),
    (Unavailable, UNAVAILABLE),
    (InferenceError, 6),
    (ConfigurationError, 6),
    (NewerFormat, 6),
)


def exit_code(error: DualtrackError) -> int:
    """The exit code of an error, by the first class in the table that it belongs to."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)


def exit_with(error: DualtrackError) -> NoReturn:
    """Print the error in one line and end the process."""
    sys.stderr.write(f"error: {error.code}: {error.detail}\n")
    sys.exit(exit_code(error))

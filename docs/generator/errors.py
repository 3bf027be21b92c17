"""The codes of errors: class in Python, status over HTTP, exit code of the command line."""

from docs.generator.tables import table
from dualtrack.error_codes import CODES_OF_CLASS, status_of
from dualtrack.errors import DualtrackError, JobFailed
from service.cli.main import exit_code


def markdown() -> str:
    """One row per class, with all of its codes and the HTTP status of each."""
    rows = (
        (
            f"`{kind.__name__}`",
            _summary(kind),
            ", ".join(_code(kind, code) for code in codes),
            str(_exit_code(kind)),
        )
        for kind, codes in CODES_OF_CLASS.items()
    )
    return table(("class", "it means", "codes and their HTTP status", "exit code"), rows)


def _code(kind: type[DualtrackError], code: str) -> str:
    # a job's error is in the answer about the job, which has the status 200
    return f"`{code}`" if kind is JobFailed else f"`{code}` {status_of(kind, code)}"


def _exit_code(kind: type[DualtrackError]) -> int:
    # without its constructor: a class may want more than a message
    return exit_code(kind.__new__(kind))


def _summary(kind: type[DualtrackError]) -> str:
    return (kind.__doc__ or "").split("\n", 1)[0]

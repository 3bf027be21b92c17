"""`dualtrack`: entry point of the command line; prints errors as one line and sets the exit code.

Exit codes: 0 success · 1 all other errors · 2 invalid usage · 3 invalid input · 4 not found, or not possible in the
current state · 5 a server is full or unavailable · 6 model inference or configuration error · 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

import dualtrack
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
from service.cli.commands import add_commands, missing_extra, points

COMPLETION = "_DUALTRACK_COMPLETE"
"""Environment variable that the shell sets while it completes a line."""
EXIT_CODES: tuple[tuple[type[DualtrackError], int], ...] = (
    (InvalidInput, 3),
    (NotFound, 4),
    (Conflict, 4),
    (Gone, 4),
    (Overloaded, 5),
    (Unavailable, 5),
    (InferenceError, 6),
    (ConfigurationError, 6),
    (NewerFormat, 6),
)


def build_app(arguments: Sequence[str] = ()) -> typer.Typer:
    """Build the command line; only the command that `arguments` start with is imported.

    The libraries of all commands together take seconds to import, and some may not be installed.

    Raises:
        ConfigurationError: the command needs an extra that is not installed.
    """
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="Video instance segmentation: detect, segment and track every object in a video.",
        callback=_options,
    )
    add_commands(app, points().values(), arguments)
    return app


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"dualtrack {dualtrack.__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


def _arguments() -> list[str]:
    """The arguments after `dualtrack`; during shell completion, those of the line that is completed."""
    if COMPLETION not in os.environ:
        return sys.argv[1:]
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    return line.split()[1:]


def _app() -> typer.Typer:
    arguments = _arguments()
    try:
        return build_app(arguments)
    except ConfigurationError:
        if COMPLETION not in os.environ:
            raise
        # the options of a command that can't run here can't be completed
        return build_app()


def exit_code(error: DualtrackError) -> int:
    """The exit code for an error: that of the first matching class in the table."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)


def main() -> None:
    """Entry point of `dualtrack`."""
    try:
        try:
            _app()()
        except ModuleNotFoundError as error:
            # a package that a command imports while it runs
            raise _of_command(error) from error
    except DualtrackError as error:
        Console(stderr=True).print(f"error: {error.code}: {error.detail}", style="red", markup=False, soft_wrap=True)
        sys.exit(exit_code(error))


def _of_command(error: ModuleNotFoundError) -> ConfigurationError:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    point = points().get(name)
    return missing_extra(error, name, "service" if point is None else point.module)


if __name__ == "__main__":
    main()

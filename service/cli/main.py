"""`dualtrack`: all commands, and how an error becomes one line and an exit code.

Exit codes: 0 done · 1 internal error · 2 wrong usage · 3 input that can't be used · 4 not found or wrong moment ·
5 a server is full or can't be reached · 6 a network or the configuration does not work · 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

import dualtrack
from dualtrack.errors import ConfigurationError, DualtrackError
from service.cli.commands import add_commands, missing_extra, points
from service.processes.exit_codes import exit_code

COMPLETION = "_DUALTRACK_COMPLETE"
"""Set by the shell while it completes a line."""


def build_app(words: Sequence[str] = ()) -> typer.Typer:
    """The command line; of all commands only the one that `words` begin with is imported.

    The libraries of all commands together take seconds to import, and not all of them need be installed.

    Raises:
        ConfigurationError: the command needs an extra that is not installed.
    """
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="Video instance segmentation: a video in, instance tubelets out.",
        callback=_options,
    )
    add_commands(app, points().values(), words)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dualtrack {dualtrack.__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


def _words() -> list[str]:
    """The words after `dualtrack`; while a shell completes a line, those of the line."""
    if COMPLETION not in os.environ:
        return sys.argv[1:]
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    return line.split()[1:]


def _app() -> typer.Typer:
    words = _words()
    try:
        return build_app(words)
    except ConfigurationError:
        if COMPLETION not in os.environ:
            raise
        # a command that can't run here has no options to complete
        return build_app()


def main() -> None:
    """Entry point of `dualtrack`."""
    try:
        try:
            _app()()
        except ModuleNotFoundError as error:
            # a package that a command imports only when it needs it
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

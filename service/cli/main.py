"""`dualtrack`: all commands, and how an error becomes one line and an exit code.

Exit codes: 0 done · 1 internal error · 2 wrong usage · 3 input that can't be used · 4 not found or wrong moment ·
5 a server is full or can't be reached · 6 a network or the configuration does not work · 130 interrupted.
"""

import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from rich.console import Console

from service.cli.config import config
from service.cli.demo import demo
from service.cli.doctor import doctor
from service.cli.models import models
from service.cli.segment import segment
from service.cli.serve import serve, worker
from service.cli.submit import submit
from service.errors import (
    ConfigurationError,
    Conflict,
    DualtrackError,
    Gone,
    InferenceError,
    InvalidInput,
    NotFound,
    Overloaded,
    Unavailable,
)

EXIT_CODES: tuple[tuple[type[DualtrackError], int], ...] = (
    (InvalidInput, 3),
    (NotFound, 4),
    (Conflict, 4),
    (Gone, 4),
    (Overloaded, 5),
    (Unavailable, 5),
    (InferenceError, 6),
    (ConfigurationError, 6),
)
PLUGINS = "dualtrack.commands"
"""Entry points by which `evaluate` and `export` join: the service itself imports neither."""


def build_app() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Video instance segmentation: a video in, instance tubelets out.",
    )
    for command in (serve, worker, segment, submit, models, doctor, config, demo):
        app.command()(command)
    for plugin in sorted(entry_points(group=PLUGINS), key=lambda point: point.name):
        loaded = load_command(plugin)
        if loaded is None:
            continue
        if isinstance(loaded, typer.Typer):
            app.add_typer(loaded, name=plugin.name)
        else:
            app.command(plugin.name)(loaded)
    return app


def load_command(plugin: EntryPoint) -> Any:
    """The command of another program, or None where that program is not installed, as in the service's image."""
    try:
        return plugin.load()
    except ModuleNotFoundError as error:
        if error.name is not None and f"{plugin.module}.".startswith(f"{error.name}."):
            return None
        raise


def exit_code(error: DualtrackError) -> int:
    """The exit code of an error, by the first class in the table that it belongs to."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)


def main() -> None:
    """Entry point of `dualtrack`."""
    try:
        build_app()()
    except DualtrackError as error:
        Console(stderr=True).print(f"error: {error.code}: {error.detail}", style="red", markup=False, soft_wrap=True)
        sys.exit(exit_code(error))


if __name__ == "__main__":
    main()

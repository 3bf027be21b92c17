"""`dualtrack`: all commands, and how an error becomes one line and an exit code.

Exit codes: 0 done · 1 internal error · 2 wrong usage · 3 input that can't be used · 4 not found or wrong moment ·
5 a server is full or can't be reached · 6 a network or the configuration does not work · 130 interrupted.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from rich.console import Console

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
PLUGINS = "dualtrack.commands"
"""Entry points by which `evaluate` and `export` join: the service itself imports neither. A command joins the group
of commands X by the entry points `dualtrack.commands.X`."""


OWN = {
    "serve": "service.cli.serve:serve",
    "worker": "service.cli.worker:worker",
    "segment": "service.cli.segment:segment",
    "submit": "service.cli.submit:submit",
    "models": "service.cli.models:models",
    "doctor": "service.cli.doctor:doctor",
    "config": "service.cli.config:config",
    "parameters": "service.cli.parameter_list:parameters",
    "demo": "service.cli.demo:demo",
}
"""The service's own commands, in the order of the help text."""


def build_app(words: Sequence[str] = ()) -> typer.Typer:
    """The whole command line; where `words` start with a command, that one alone.

    The libraries of all commands together take seconds to import.
    """
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Video instance segmentation: a video in, instance tubelets out.",
        # with one command alone the app would otherwise be that command
        callback=lambda: None,
    )
    points = {name: EntryPoint(name, value, PLUGINS) for name, value in OWN.items()}
    points |= {point.name: point for point in sorted(entry_points(group=PLUGINS), key=lambda point: point.name)}
    first = words[0] if words else ""
    for name, point in {first: points[first]}.items() if first in points else points.items():
        loaded = load_command(point)
        if loaded is None:
            continue
        if isinstance(loaded, typer.Typer):
            _join(loaded, f"{PLUGINS}.{name}")
            app.add_typer(loaded, name=name)
        else:
            app.command(name)(loaded)
    return app


def _join(group: typer.Typer, plugins: str) -> None:
    """Add the commands of other programs to a group; one that has joined before is left as it is."""
    there = {command.name for command in group.registered_commands}
    for point in sorted(entry_points(group=plugins), key=lambda point: point.name):
        if point.name not in there and (loaded := load_command(point)) is not None:
            group.command(point.name)(loaded)


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
        build_app(sys.argv[1:])()
    except DualtrackError as error:
        Console(stderr=True).print(f"error: {error.code}: {error.detail}", style="red", markup=False, soft_wrap=True)
        sys.exit(exit_code(error))


if __name__ == "__main__":
    main()

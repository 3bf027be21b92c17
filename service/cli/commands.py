"""The table of commands. A command's module is imported when the command runs, not when it is listed."""

import ast
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer

from dualtrack.children import INSTALL, require_linux
from dualtrack.errors import ConfigurationError

PLUGINS = "dualtrack.commands"
"""Group of the entry points that add `evaluate`, `export` and others, which the service itself never imports. Entry
points of the group `dualtrack.commands.X` add subcommands to the command X."""
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
BASE = frozenset({"submit", "doctor", "parameters"})
"""Commands that run on every operating system with the base installation."""
EXTRAS = {"service": "cpu", "evaluation": "evaluation", "export": "models"}
"""Top-level package of a command, and the extra that installs what it imports."""


def points() -> dict[str, EntryPoint]:
    """All installed commands by name."""
    own = [EntryPoint(name, value, PLUGINS) for name, value in OWN.items()]
    return {point.name: point for point in (*own, *_plugins(PLUGINS)) if _source(point) is not None}


def add_commands(app: typer.Typer, found: Iterable[EntryPoint], arguments: Sequence[str]) -> None:
    """Add commands to an app. Only the one that `arguments` start with is imported; the others get their help text.

    Raises:
        ConfigurationError: that command needs an extra that is not installed.
    """
    # remove commands that an earlier call only listed
    app.registered_commands = [each for each in app.registered_commands if each.callback is not _listed_only]
    registered = {command.name for command in app.registered_commands}
    for point in found:
        if point.name in registered:
            continue
        if arguments[:1] != [point.name]:
            app.command(point.name, help=summary_of(point))(_listed_only)
            continue
        loaded = load_command(point)
        if isinstance(loaded, typer.Typer):
            add_commands(loaded, _plugins(f"{PLUGINS}.{point.name}"), arguments[1:])
            app.add_typer(loaded, name=point.name)
        else:
            app.command(point.name)(loaded)


def load_command(point: EntryPoint) -> Any:
    """Import a command.

    Raises:
        ConfigurationError: the command needs an extra that is not installed, or Linux.
    """
    if point.name not in BASE:
        require_linux(f"dualtrack {point.name}")
    try:
        return point.load()
    except ModuleNotFoundError as error:
        raise missing_extra(error, point.name, point.module) from error


def missing_extra(error: ModuleNotFoundError, command: str, module: str = "service") -> ConfigurationError:
    """The error for a command that needs a missing package; it names the package and how to install it."""
    extra = EXTRAS.get(module.partition(".")[0])
    if extra is None:
        return ConfigurationError(f"dualtrack {command}: needs the package {error.name}")
    return ConfigurationError(f"dualtrack {command}: needs {error.name}: {INSTALL.format(extra=extra)}")


def summary_of(point: EntryPoint) -> str:
    """First paragraph of a command's help, read from its source: a function's docstring or a group's `help`."""
    source = _source(point)
    if source is None:
        return ""
    for node in ast.parse(source.read_text()).body:
        match node:
            case ast.FunctionDef(name=name) if name == point.attr:
                return (ast.get_docstring(node) or "").partition("\n\n")[0].replace("\n", " ")
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(keywords=keywords)) if name == point.attr:
                return next((str(ast.literal_eval(each.value)) for each in keywords if each.arg == "help"), "")
    return ""


def _plugins(group: str) -> list[EntryPoint]:
    installed = (point for point in entry_points(group=group) if _source(point) is not None)
    return sorted(installed, key=lambda point: point.name)


def _source(point: EntryPoint) -> Path | None:
    """The file of a command's module; None if its package is not installed, as in the service's container image."""
    try:
        spec = find_spec(point.module)
    except ModuleNotFoundError:
        return None
    return None if spec is None or spec.origin is None else Path(spec.origin)


def _listed_only() -> None:
    """Callback of a command that is listed but not run."""

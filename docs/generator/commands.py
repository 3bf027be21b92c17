"""The command line: every command with its arguments and options."""

from collections.abc import Iterator
from typing import Any

import typer.main

from docs.generator.tables import table
from service.cli.commands import points
from service.cli.main import build_app

Command = Any
"""What typer makes of a command; its classes are not public."""


def commands() -> Iterator[tuple[str, Command]]:
    """Every command that does something, by its full name."""
    for name in points():
        command = _load(name)
        below = getattr(command, "commands", {})
        if not below or command.invoke_without_command:
            yield f"dualtrack {name}", command
        for each in below:
            yield f"dualtrack {name} {each}", _load(name, each)


def _load(*words: str) -> Command:
    """A command with its options; only those that are named are imported when the command line is built."""
    command: Command = typer.main.get_command(build_app(list(words)))
    for word in words:
        command = command.commands[word]
    return command


def options(command: Command) -> list[Any]:
    """The options of a command that its help lists."""
    shown = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
    return [each for each in shown if each.name != "help"]


def markdown() -> str:
    """One section per command."""
    return "\n".join(_section(name, command) for name, command in commands())


def _section(name: str, command: Command) -> str:
    context = command.context_class(command, info_name=name)
    given = [each for each in command.params if each.param_type_name == "argument"]
    chosen = options(command)
    usage = " ".join([name, *(_metavar(each, context) for each in given), *(["[OPTIONS]"] if chosen else [])])
    rows = [(f"`{_metavar(each, context)}`", "", _help(each)) for each in given]
    rows += [(_names(each, context), _default(each), _help(each)) for each in chosen]
    parts = [f"## {name}\n", f"{_text(command.help)}\n", f"```text\n{usage}\n```\n"]
    if rows:
        parts.append(table(("argument or option", "default", "what it does"), rows))
    return "\n".join(parts)


def _metavar(parameter: Any, context: Any) -> str:
    if parameter.metavar:
        return str(parameter.metavar)
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper().replace("_", "-")
    kind = str(parameter.display_type(context)).strip("<>")
    return kind if "|" in kind else kind.upper()  # choices are typed as they are


def _names(option: Any, context: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    return names if option.is_flag or option.secondary_opts else f"{names} `{_metavar(option, context)}`"


def _default(option: Any) -> str:
    default = option.default
    if default is None or default is False or default == "" or callable(default):
        return ""
    return f"`{option.opts[0]}`" if default is True else f"`{getattr(default, 'value', default)}`"


def _help(parameter: Any) -> str:
    text = _text(parameter.help)
    variables = [parameter.envvar] if isinstance(parameter.envvar, str) else list(parameter.envvar or ())
    return f"{text} Also from the environment: `{variables[0]}`." if variables else text


def _text(text: str | None) -> str:
    return (text or "").replace("\b", "").replace("\f", "").replace("<", "&lt;").strip()

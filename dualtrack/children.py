"""Command and environment of every child process: engine, API, worker, media processes, demo."""

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec

from dualtrack.errors import ConfigurationError

SERVING = ("av", "cv2", "onnxruntime", "pydantic_settings", "scenedetect", "structlog")
"""Packages that an engine needs and the base installation lacks."""
CALLERS_OWN = frozenset({"PYTHONPATH", "PYTHONWARNINGS"})
INSTALL = 'pip install "dualtrack[{extra}]"'


def python_command(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs one of dualtrack's modules with the current Python interpreter.

    `-P` keeps the current directory off the import path: it may contain an unrelated package named `service`.

    Example:
        >>> from dualtrack.children import python_command
        >>> python_command("service.api")[1:]
        ('-P', '-m', 'service.api')
    """
    return (sys.executable, "-P", "-m", module, *arguments)


def child_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child process: a copy without the variables the user set for their own Python code.

    `PYTHONPATH` may also lead to an unrelated package named `service`; `PYTHONWARNINGS=error` would end an engine at
    the first deprecation warning of a library.

    Args:
        environment: to copy; default: this process's.
    """
    inherited = os.environ if environment is None else environment
    return {name: value for name, value in inherited.items() if name not in CALLERS_OWN}


def require_linux(what: str) -> None:
    """Raise an error unless this is Linux.

    Child processes end with their parent through prctl(2), and scratch folders are locked with flock(2).

    Args:
        what: needs Linux; the message names it.

    Raises:
        ConfigurationError: this is another operating system.
    """
    if sys.platform != "linux":
        raise ConfigurationError(
            f"{what}: expected Linux, got {sys.platform}; the client (dualtrack.Client, dualtrack submit) runs here"
        )


def require_serving(what: str) -> None:
    """Raise an error unless the packages that run the networks are installed.

    Args:
        what: needs them; the message names it.

    Raises:
        ConfigurationError: a package is missing, or this is not Linux.
    """
    require_linux(what)
    missing = [name for name in SERVING if find_spec(name) is None]
    if missing:
        raise ConfigurationError(f"{what}: needs {', '.join(missing)}: {INSTALL.format(extra='cpu')}")

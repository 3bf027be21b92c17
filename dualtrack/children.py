"""How child processes of dualtrack are started: engine, API, worker, media children, demo. One way for all of them."""

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec

from dualtrack.errors import ConfigurationError

SERVING = ("av", "cv2", "onnxruntime", "pydantic_settings", "scenedetect", "structlog")
"""Packages that an engine needs and the base installation does not have."""
CALLERS_OWN = frozenset({"PYTHONPATH", "PYTHONWARNINGS"})
INSTALL = 'pip install "dualtrack[{extra}]"'


def python_command(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs one of dualtrack's modules with this Python.

    `-P` keeps the current folder out of the import path: it may hold a package `service` of somebody else's.

    Example:
        >>> python_command("service.api")[1:]
        ('-P', '-m', 'service.api')
    """
    return (sys.executable, "-P", "-m", module, *arguments)


def child_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: this process's or the given one, without what a caller set for its own Python.

    `PYTHONPATH` may lead to a package `service`, too; `PYTHONWARNINGS=error` would end an engine at a library's
    first deprecation.
    """
    inherited = os.environ if environment is None else environment
    return {name: value for name, value in inherited.items() if name not in CALLERS_OWN}


def require_linux(what: str) -> None:
    """Refuse what needs Linux.

    A child ends with its parent by prctl(2), and scratch folders are locked by flock(2).

    Raises:
        ConfigurationError: this is another system.
    """
    if sys.platform != "linux":
        raise ConfigurationError(
            f"{what}: expected Linux, got {sys.platform}; the client (dualtrack.Client, dualtrack submit) works here"
        )


def require_serving(what: str) -> None:
    """Refuse what needs the packages that run the networks.

    Raises:
        ConfigurationError: one is not installed, or this is not Linux.
    """
    require_linux(what)
    missing = [name for name in SERVING if find_spec(name) is None]
    if missing:
        raise ConfigurationError(f"{what}: needs {', '.join(missing)}: {INSTALL.format(extra='cpu')}")

"""How child processes of dualtrack are started: engine, API, worker, media children, demo. One way for all of them."""

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec

from dualtrack.errors import ConfigurationError

SERVING = ("av", "cv2", "onnxruntime", "pydantic_settings", "scenedetect", "structlog")
"""Packages that an engine needs and the base installation does not have."""
CALLERS_OWN = frozenset({"PYTHONPATH", "PYTHONWARNINGS"})
SECRETS = frozenset({"DUALTRACK_API_KEY", "DUALTRACK_REDIS_URL"})
"""Settings that only API and worker need; a test compares them with the secret ones of `service.settings`."""
CONFINED = (
    *("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_", "LD_"),
    *("PYTHON", "OMP_", "OPENCV_", "MALLOC_", "GLIBC_", "COVERAGE_"),
)
"""How the names begin that a process which reads a foreign file gets: what Python and its libraries go by."""
INSTALL = 'pip install "dualtrack[{extra}]"'


def python_command(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs one of dualtrack's modules with this Python.

    `-P` keeps the current folder out of the import path: it may hold a package `service` of somebody else's.

    Example:
        >>> python_command("service.api")[1:]
        ('-P', '-m', 'service.api')
    """
    return (sys.executable, "-P", "-m", module, *arguments)


def program_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the service's own programs (API, worker, `serve`): this process's or the given one.

    Without what a caller set for its own Python: `PYTHONPATH` may lead to a package `service`, too;
    `PYTHONWARNINGS=error` would end an engine at a library's first deprecation.
    """
    inherited = os.environ if environment is None else environment
    return {name: value for name, value in inherited.items() if name not in CALLERS_OWN}


def child_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every other child: that of a program without the service's secrets.

    An engine gets its settings in its start message, or from here if a caller of `Engine` left them to the
    environment; it needs neither the API key nor the address of Redis, which may hold a password.
    """
    # names of settings are read in any case
    return {name: value for name, value in program_environment(environment).items() if name.upper() not in SECRETS}


def confined_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child that reads a foreign file: nothing that such a file could be after."""
    return {name: value for name, value in child_environment(environment).items() if name.startswith(CONFINED)}


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

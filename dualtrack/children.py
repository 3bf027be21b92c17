"""Command and environment of every child process: engine, API, worker, media processes, demo."""

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec

from dualtrack.errors import ConfigurationError

SERVING = ("av", "cv2", "onnxruntime", "pydantic_settings", "scenedetect", "structlog")
"""Packages that an engine needs and the base installation lacks."""
CALLERS_OWN = frozenset({"PYTHONPATH", "PYTHONWARNINGS"})
SECRETS = frozenset({"DUALTRACK_API_KEY", "DUALTRACK_REDIS_URL"})
"""Settings that only API and worker need; a test compares them with the secret settings of `service.settings`."""
CONFINED = (
    *("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_", "LD_"),
    *("PYTHON", "OMP_", "OPENCV_", "MALLOC_", "GLIBC_", "COVERAGE_"),
)
"""Prefixes of the variables that a process that reads an untrusted file gets: those for Python and its libraries."""
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


def program_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a program of the service (API, worker, `serve`).

    A copy without the variables the user set for their own Python code: `PYTHONPATH` may also lead to an unrelated
    package named `service`; `PYTHONWARNINGS=error` would end an engine at the first deprecation warning of a library.

    Args:
        environment: to copy; default: this process's.
    """
    inherited = os.environ if environment is None else environment
    return {name: value for name, value in inherited.items() if name not in CALLERS_OWN}


def child_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every other child process: that of a program without the service's secrets.

    An engine gets its settings in its start message, or from here if the caller of `Engine` does not pass them; it
    needs neither the API key nor the URL of Redis, which may contain a password.
    """
    # settings are read from names in any case
    return {name: value for name, value in program_environment(environment).items() if name.upper() not in SECRETS}


def confined_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child process that reads an untrusted file."""
    return {name: value for name, value in child_environment(environment).items() if name.startswith(CONFINED)}


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

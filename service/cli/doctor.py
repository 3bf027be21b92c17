"""`dualtrack doctor`: check the installation."""

import importlib.metadata
import json
import platform
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

import dualtrack
from dualtrack.children import INSTALL, require_serving
from dualtrack.errors import ConfigurationError
from service.cli.check import Check

PACKAGES = (
    "httpx",
    "numpy",
    "pycocotools",
    "fastapi",
    "pydocket",
    "redis",
    "tritonclient",
    "av",
    "onnx",
    "torch",
    "torchvision",
)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False) -> None:
    """Check packages, providers, models, Redis and Triton; exit code 6 if something needed does not work.

    With the base installation, which runs on every operating system and has no models, only the packages are listed.
    """
    checks = [
        Check("dualtrack", True, dualtrack.__version__),
        Check("python", True, platform.python_version()),
        Check("system", True, sys.platform),
        *(_package(name) for name in PACKAGES),
        *_serving(),
    ]
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        _print(checks)
    if any(check.ok is False for check in checks):
        raise typer.Exit(6)


def _package(name: str) -> Check:
    try:
        return Check(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name, None, "not installed")


def _serving() -> list[Check]:
    try:
        require_serving("engine and service")
        # imported here because it needs the serving stack
        from service.cli.serving_checks import serving_checks  # noqa: PLC0415
    except ConfigurationError as error:
        return [Check("serving", None, error.detail)]
    except ModuleNotFoundError as error:
        return [Check("serving", None, f"needs {error.name}: {INSTALL.format(extra='cpu')}")]
    return serving_checks()


def _print(checks: list[Check]) -> None:
    marks = {True: "[green]ok[/]", False: "[red]fails[/]", None: "-"}
    table = Table("check", "", "detail")
    for check in checks:
        table.add_row(check.name, marks[check.ok], check.detail.replace("[", r"\["))
    Console().print(table)

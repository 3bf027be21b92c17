"""`dualtrack doctor`: does this installation work, and what does it use?"""

import asyncio
import importlib.metadata
import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated

import onnxruntime
import typer
from redis.asyncio import Redis
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from dualtrack.errors import DualtrackError
from service.inference.open import open_client
from service.inference.repository.manifest import load_manifest, verify
from service.pipeline.detection.outside import open_detector
from service.settings import Settings

PACKAGES = (
    "fastapi",
    "pydocket",
    "redis",
    "tritonclient",
    "av",
    "pycocotools",
    "torch",
    "torchvision",
)
TIMEOUT_S = 3.0


@dataclass(frozen=True)
class Check:
    """One line of the report; `ok` None: not applicable."""

    name: str
    ok: bool | None
    detail: str


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check packages, providers, models, Redis and Triton; exit code 6 if something needed does not work."""
    settings = Settings()
    checks = [*_packages(), _providers(settings), _checked("models", lambda: _models(settings))]
    if settings.detector is not None:
        checks.append(_checked("detector", lambda: _detector(settings)))
    checks += [_checked("redis", lambda: _redis(settings)), _checked("inference", lambda: _inference(settings))]
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        _print(checks)
    if any(check.ok is False for check in checks):
        raise typer.Exit(6)


def _packages() -> list[Check]:
    # by its own word: the wheel for GPUs has another name
    checks = [Check("python", True, platform.python_version()), Check("onnxruntime", True, onnxruntime.__version__)]
    for name in PACKAGES:
        try:
            checks.append(Check(name, True, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            checks.append(Check(name, None, "not installed"))
    return checks


def _providers(settings: Settings) -> Check:
    available = onnxruntime.get_available_providers()
    missing = [name for name in settings.providers if name not in available]
    return Check("providers", not missing, f"asked for {list(settings.providers)}, built in: {available}")


def _models(settings: Settings) -> str:
    manifest = load_manifest(settings.model_repository)
    verify(manifest)
    return (
        f"{manifest.release} ({manifest.architecture}), {len(manifest.graphs)} graphs, {len(manifest.classes)} classes"
    )


def _detector(settings: Settings) -> str:
    open_detector(settings.detector, providers=settings.providers, threads=settings.threads)
    return f"{settings.detector} and its graph fit"


def _redis(settings: Settings) -> str:
    if settings.redis_url is None:
        return "embedded: `dualtrack serve` starts one"
    url = settings.redis_url.get_secret_value()

    async def ping() -> None:
        client = Redis.from_url(url, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S)
        try:
            await client.ping()
        finally:
            await client.aclose()

    asyncio.run(ping())
    return "reachable"


def _inference(settings: Settings) -> str:
    async def open_and_close() -> None:
        client = await open_client(
            load_manifest(settings.model_repository),
            triton_url=settings.triton_url,
            providers=settings.providers,
            threads=settings.threads,
            deadline_s=settings.inference_deadline_s,
        )
        await client.close()

    asyncio.run(open_and_close())
    return f"Triton at {settings.triton_url}" if settings.triton_url else "onnxruntime in process"


def _checked(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, True, check())
    except (DualtrackError, RedisError, OSError) as error:
        return Check(name, False, str(error))


def _print(checks: list[Check]) -> None:
    marks = {True: "[green]ok[/]", False: "[red]fails[/]", None: "-"}
    table = Table("what", "", "detail")
    for check in checks:
        table.add_row(check.name, marks[check.ok], check.detail)
    Console().print(table)

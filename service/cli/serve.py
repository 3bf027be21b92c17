"""`dualtrack serve`: run state server, API and one worker as child processes, and restart them if they end."""

import asyncio
import contextlib
from typing import Annotated

import httpx
import structlog
import typer

from dualtrack.children import child_environment, python_command
from dualtrack.errors import ConfigurationError
from service.processes.signals import until_stopped
from service.processes.supervise import keep_running
from service.settings import Settings
from service.state.embedded import embedded_valkey
from service.telemetry import configure_logging

log = structlog.get_logger()

STOP_S = 5.0
"""Seconds a child process may take to end, in addition to `drain_s`."""


def serve(
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on; 0.0.0.0 accepts connections from anywhere. "
            "Default: DUALTRACK_HOST or 127.0.0.1."
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default: DUALTRACK_PORT or 8080.")] = None,
) -> None:
    """Run the whole service on this machine: API, one worker, and a state server unless one is configured."""
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    asyncio.run(_serve(Settings.model_validate({**Settings().model_dump(), **given})))


async def _serve(settings: Settings) -> None:
    """Keep everything running until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the API or the worker repeatedly ends right after its start.
    """
    configure_logging(settings.log_level, json=settings.log_json)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    async with contextlib.AsyncExitStack() as stack:
        if settings.redis_url is None:
            url = await stack.enter_async_context(embedded_valkey(settings.data_dir / "valkey"))
        else:
            url = settings.redis_url.get_secret_value()
        environment = {
            **child_environment(),
            "DUALTRACK_REDIS_URL": url,
            "DUALTRACK_DATA_DIR": str(settings.data_dir),
            "DUALTRACK_HOST": settings.host,
            "DUALTRACK_PORT": str(settings.port),
        }
        await until_stopped(_supervise(environment, settings))


async def _supervise(environment: dict[str, str], settings: Settings) -> None:
    stop_s = settings.drain_s + STOP_S
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(keep_running(python_command("service.api"), environment, stop_s=stop_s))
            group.create_task(keep_running(python_command("service.cli.main", "worker"), environment, stop_s=stop_s))
            group.create_task(_announce(settings))
    except* ConfigurationError as errors:
        raise errors.exceptions[0] from None


async def _announce(settings: Settings) -> None:
    """Log one line when the service is ready."""
    host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104 (compared, not bound)
    url = f"http://{host}:{settings.port}"
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await http.get("/readyz")).is_success:
                    break
            await asyncio.sleep(0.2)
    log.info("ready", url=url)

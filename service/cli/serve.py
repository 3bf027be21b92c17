"""`dualtrack serve`: run state server, API and one worker as child processes, and restart them if they end."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Annotated

import httpx
import structlog
import typer

from dualtrack.children import program_environment, python_command
from dualtrack.errors import ConfigurationError
from service.processes.exit_codes import UNAVAILABLE
from service.processes.listening import listen, url_of
from service.processes.private import PRIVATE, private_folder
from service.processes.signals import until_stopped
from service.processes.supervise import keep_running
from service.settings import Settings
from service.state.embedded import embedded_valkey
from service.telemetry import configure_logging

log = structlog.get_logger()

API = python_command("service.api")
WORKER = python_command("service.cli.main", "worker")
STOP_S = 5.0
"""Seconds a child process may take to end, in addition to `drain_s`."""


def serve(
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on. One that other machines can reach, such as 0.0.0.0, needs DUALTRACK_API_KEY. "
            "Default: DUALTRACK_HOST or 127.0.0.1."
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default: DUALTRACK_PORT or 8080.")] = None,
) -> None:
    """Run the whole service on this machine: API, one worker, and a state server unless one is configured."""
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = Settings(**given)
    settings.require_key()
    os.umask(PRIVATE)
    with contextlib.ExitStack() as stack:
        # first: where the address can't be used, nothing has been started
        sockets = [stack.enter_context(each) for each in listen(settings.host, settings.port)]
        asyncio.run(run(settings, sockets))


async def run(
    settings: Settings,
    sockets: Sequence[socket.socket],
    *,
    api: Sequence[str] = API,
    workers: Sequence[Sequence[str]] = (WORKER,),
) -> None:
    """Keep everything running until SIGTERM or SIGINT.

    Args:
        settings: of the service.
        sockets: on which the API listens.
        api: command of the API; the sockets' descriptors are appended.
        workers: commands of the workers.

    Raises:
        ConfigurationError: the API or the worker repeatedly ends right after its start.
    """
    configure_logging(settings.log_level, json=settings.log_json)
    private_folder(settings.data_dir)
    async with contextlib.AsyncExitStack() as stack:
        if settings.redis_url is None:
            url = await stack.enter_async_context(embedded_valkey(settings.data_dir / "valkey"))
        else:
            url = settings.redis_url.get_secret_value()
        environment = {
            **program_environment(),
            "DUALTRACK_REDIS_URL": url,
            "DUALTRACK_DATA_DIR": str(settings.data_dir),
            "DUALTRACK_HOST": settings.host,
            "DUALTRACK_PORT": str(settings.port),
        }
        # the sockets stay open here: while one API process ends and the next starts, connections wait in their queue
        descriptors = [each.fileno() for each in sockets]
        ready = asyncio.Event()
        keep = partial(
            keep_running,
            environment=environment,
            stop_s=settings.drain_s + STOP_S,
            # once everything was up, a state server that can't be reached is restarting, not misconfigured
            excused=lambda code: code == UNAVAILABLE and ready.is_set(),
        )
        leave_s = settings.unready_s + settings.drain_s + STOP_S
        children = [keep((*api, *map(str, descriptors)), name="service.api", descriptors=descriptors, stop_s=leave_s)]
        children += [keep(worker) for worker in workers]
        await until_stopped(_supervise([*children, _announce(url_of(sockets, settings.host), ready)]))


async def _supervise(tasks: Sequence[Coroutine[None, None, None]]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(task)
    except* ConfigurationError as errors:
        raise errors.exceptions[0] from None


async def _announce(url: str, ready: asyncio.Event) -> None:
    """One line when everything is up."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        while True:
            with contextlib.suppress(httpx.HTTPError, httpx.InvalidURL):
                if (await http.get("/readyz")).is_success:
                    break
            await asyncio.sleep(0.2)
    ready.set()
    log.info("ready", url=url)

"""`dualtrack serve` and `dualtrack worker`."""

import asyncio
from typing import Annotated

import typer

from service import wiring
from service.settings import Settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Start everything on this machine: state server (unless one is configured), API and one worker."""
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    asyncio.run(wiring.serve(Settings.model_validate({**Settings().model_dump(), **given})))


def worker() -> None:
    """Start one worker that takes jobs from the configured Redis."""
    asyncio.run(wiring.run_worker(Settings()))

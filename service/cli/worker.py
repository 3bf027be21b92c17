"""`dualtrack worker`."""

import asyncio

from service.settings import Settings
from service.worker.main import run_worker


def worker() -> None:
    """Start one worker that takes jobs from the configured Redis."""
    asyncio.run(run_worker(Settings()))

"""`dualtrack worker`: run one worker."""

import asyncio
import os

from service.processes.private import PRIVATE
from service.settings import Settings
from service.worker.main import run_worker


def worker() -> None:
    """Start one worker that takes jobs from the configured Redis."""
    settings = Settings()
    os.umask(PRIVATE)
    asyncio.run(run_worker(settings))

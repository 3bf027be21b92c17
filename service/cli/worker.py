"""`dualtrack worker`: run one worker."""

import asyncio

from service.settings import Settings
from service.worker.main import run_worker


def worker() -> None:
    """Run one worker, which takes jobs from the Redis server in DUALTRACK_REDIS_URL."""
    asyncio.run(run_worker(Settings()))

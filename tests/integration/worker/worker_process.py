"""A real worker with the fake engine: `python -m tests.integration.worker.worker_process`, settings from the environment."""

import asyncio
import sys
from pathlib import Path

from service.settings import Settings
from service.worker.main import run_worker

ENGINE = (sys.executable, str(Path(__file__).with_name("fake_engine.py")))

if __name__ == "__main__":
    asyncio.run(run_worker(Settings(), engine_command=ENGINE))

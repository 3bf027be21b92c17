"""A real worker with the fake engine: `python -m tests.integration.worker_process`, settings from the environment."""

import asyncio
import sys
from pathlib import Path

from service import bootstrap
from service.settings import Settings

ENGINE = (sys.executable, str(Path(__file__).with_name("fake_engine.py")))

if __name__ == "__main__":
    asyncio.run(bootstrap.run_worker(Settings(), engine_command=ENGINE))

"""A service that tests abuse: at the end of the session it is still the same process, no larger, and serves."""

import os
from collections.abc import Iterator

import httpx
import pytest

from evaluation.bench.meters.processes import resident
from service.state.connection import MOST_CONNECTIONS
from tests.integration.api.api_service import wait_for
from tests.reliability.responses import PATIENCE_S
from tests.reliability.service_processes import Service, serving

MOST_GROWN = 128 << 20
"""Bytes that the API may hold more after all of it."""
MOST_OPEN = 2 * MOST_CONNECTIONS
"""Open files that it may have more: its connections to Valkey, and those of the queue."""


@pytest.fixture(scope="session")
def abused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("abuse") / "data", hasty=True, max_queue=400) as service:
        api = service.one("api")
        size, files = resident(api), open_files(api)
        yield service
        assert service.pids("api") == [api], "the API was started again"
        assert resident(api) - size < MOST_GROWN
        wait_for(lambda: open_files(api) - files < MOST_OPEN, PATIENCE_S)


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    """One for all: each costs the certificates of the machine."""
    with httpx.Client(timeout=PATIENCE_S, trust_env=False, limits=httpx.Limits(max_connections=100)) as client:
        yield client


@pytest.fixture
def service(abused: Service, http: httpx.Client) -> Iterator[Service]:
    """After every test it serves, and has logged no fault."""
    logged = abused.log.stat().st_size
    yield abused
    assert http.get(f"{abused.url}/livez").status_code == 200
    with abused.log.open() as log:
        log.seek(logged)
        assert "Traceback" not in log.read()


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))

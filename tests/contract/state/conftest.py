"""One embedded Valkey for all tests of the state, empty at the start of each."""

from collections.abc import AsyncIterator

import pytest

from service.state.connection import connect
from service.state.embedded import embedded_valkey
from tests.contract.state.bench import Bench


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def valkey_url(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[str]:
    async with embedded_valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
async def bench(valkey_url: str) -> AsyncIterator[Bench]:
    redis = connect(valkey_url)
    await redis.flushdb()
    bench = Bench(valkey_url, redis)
    yield bench
    try:
        await bench.check_events()
    finally:
        await redis.aclose()

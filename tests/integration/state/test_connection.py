"""What a state server that answers with a refusal is told as. Real Valkey."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from dualtrack.errors import Unavailable
from service.state.connection import connect, translated
from tests.integration.api.api_service import Valkey


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path)
    yield server
    server.close()


async def ask(url: str, *command: str) -> None:
    redis = connect(url)
    try:
        with translated():
            await redis.execute_command(*command)
    finally:
        await redis.aclose()


@pytest.mark.parametrize(
    ("password", "words"),
    [
        pytest.param("", "must be called with the client already authenticated", id="none"),
        pytest.param("wrong", "invalid username-password pair", id="wrong"),
    ],
)
def test_a_wrong_password_is_reported_in_the_servers_words(valkey: Valkey, password: str, words: str) -> None:
    asyncio.run(ask(valkey.url, "CONFIG", "SET", "requirepass", "right"))
    url = f"{valkey.url}?password={password}" if password else valkey.url
    with pytest.raises(Unavailable, match=words) as refused:
        asyncio.run(ask(url, "PING"))
    assert str(valkey.socket) not in refused.value.detail


def test_a_server_that_is_down_is_reported_without_its_address(valkey: Valkey) -> None:
    valkey.stop()
    with pytest.raises(Unavailable, match="ConnectionError") as refused:
        asyncio.run(ask(valkey.url, "PING"))
    assert str(valkey.socket) not in refused.value.detail
    valkey.start()

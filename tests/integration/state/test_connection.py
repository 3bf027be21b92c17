"""Errors for a state server that refuses a command. Real Valkey."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from dualtrack.errors import Unavailable
from service.state.connection import REFUSED, connect, translated
from service.worker.runner import LOG_EVERY, MOST_REFUSALS, until_redis_responds
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
    assert refused.value.code == REFUSED


@pytest.mark.parametrize(
    ("before", "command", "code"),
    [
        pytest.param(("SET", "a", "1"), ("HGETALL", "a"), REFUSED, id="another-type"),
        pytest.param(("ACL", "SETUSER", "default", "-get"), ("GET", "a"), REFUSED, id="missing-right"),
        pytest.param(("REPLICAOF", "127.0.0.1", "1"), ("SET", "a", "1"), "state-unavailable", id="replica"),
        pytest.param(("CONFIG", "SET", "maxmemory", "1"), ("SET", "a", "1"), "state-full", id="full"),
    ],
)
def test_what_does_not_pass_is_told_from_what_does(
    valkey: Valkey, before: tuple[str, ...], command: tuple[str, ...], code: str
) -> None:
    asyncio.run(ask(valkey.url, *before))
    with pytest.raises(Unavailable) as refused:
        asyncio.run(ask(valkey.url, *command))
    assert refused.value.code == code


@pytest.mark.parametrize(("code", "calls"), [(REFUSED, MOST_REFUSALS), ("state-unavailable", 2 * MOST_REFUSALS)])
def test_a_refusal_is_logged_and_not_repeated_for_ever(monkeypatch: pytest.MonkeyPatch, code: str, calls: int) -> None:
    monkeypatch.setattr("service.worker.runner.RETRY_S", 0.0)
    tries = 0

    async def act() -> int:
        nonlocal tries
        tries += 1
        if tries > 2 * MOST_REFUSALS:
            return tries
        raise Unavailable("state: refused", code=code)

    with structlog.testing.capture_logs() as logs:
        if code == REFUSED:
            with pytest.raises(Unavailable):
                asyncio.run(until_redis_responds(act))
        else:
            asyncio.run(until_redis_responds(act))
    assert (tries if code == REFUSED else tries - 1) == calls
    assert [(each["tries"], each["code"]) for each in logs] == [(n, code) for n in range(1, calls, LOG_EVERY)]


def test_a_server_that_is_down_is_reported_without_its_address(valkey: Valkey) -> None:
    valkey.stop()
    with pytest.raises(Unavailable, match="ConnectionError") as refused:
        asyncio.run(ask(valkey.url, "PING"))
    assert str(valkey.socket) not in refused.value.detail
    valkey.start()

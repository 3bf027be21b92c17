"""Servers of other people: a limited user, a password, a database number, TLS, and settings that lose jobs. Real Valkey."""

import asyncio
import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dualtrack.errors import ConfigurationError
from service.state.connection import connect
from service.state.job import JobState
from service.state.server import check_rights, losses
from service.wiring import CANCELS
from tests.integration.api.api_service import Valkey, running
from tests.integration.worker.test_worker import Bench, ended
from tests.support.ports import free_ports
from tests.support.tls import certificate, tls_to

LIMITED = "~dualtrack* &dualtrack* +@all"
"""What is enough for everything but what a worker listens to before it takes work."""
EVICTED = "expected maxmemory-policy noeviction, got allkeys-lru"
NOT_KEPT = "expected appendonly yes, got no; kept on disk: "


def documented() -> str:
    """The rights in the line of docs/operations.md."""
    text = (Path(__file__).parents[3] / "docs/operations.md").read_text()
    (line,) = re.findall(r"^ACL SETUSER dualtrack on >PASSWORD (.*)$", text, re.MULTILINE)
    return str(line)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path, port=free_ports(1)[0])
    yield server
    with contextlib.suppress(Exception):
        server.close()


def send(valkey: Valkey, *command: str) -> None:
    async def work() -> None:
        redis = connect(valkey.url)
        await redis.execute_command(*command)
        await redis.aclose()

    asyncio.run(work())


def user(valkey: Valkey, rights: str) -> None:
    send(valkey, "ACL", "SETUSER", "dualtrack", "on", ">secret", "resetkeys", "resetchannels", *rights.split())


async def checked(url: str) -> None:
    redis = connect(url)
    try:
        await check_rights(redis, CANCELS)
    finally:
        await redis.aclose()


@pytest.mark.parametrize(
    ("rights", "named"),
    [
        pytest.param(LIMITED, [f"PSUBSCRIBE {CANCELS}"], id="channels"),
        pytest.param(f"{LIMITED} -eval", [f"PSUBSCRIBE {CANCELS}", "EVAL return 1"], id="scripts"),
        pytest.param("~dualtrack:* &* +@all", ["HGETALL dualtrack-jobs:probe", "DEL dualtrack-jobs:probe"], id="keys"),
        pytest.param("%R~dualtrack* &* +@all", ["DEL dualtrack:probe", "DEL dualtrack-jobs:probe"], id="read-only"),
    ],
)
def test_a_missing_right_is_named(valkey: Valkey, rights: str, named: list[str]) -> None:
    user(valkey, rights)
    with pytest.raises(ConfigurationError) as refused:
        asyncio.run(checked(f"redis://dualtrack:secret@127.0.0.1:{valkey.port}/0"))
    assert [each for each in named if f"{each} (" not in refused.value.detail] == []
    assert refused.value.detail.startswith("redis_url: the user lacks the permission for ")
    assert "secret" not in refused.value.detail


@pytest.mark.parametrize("way", ["password", "database", "tls"])
def test_a_worker_with_the_documented_rights_takes_work(valkey: Valkey, tmp_path: Path, way: str) -> None:
    user(valkey, documented())
    with contextlib.ExitStack() as stack:
        url = f"redis://dualtrack:secret@127.0.0.1:{valkey.port}/{3 if way == 'database' else 0}"
        if way == "tls":
            (port,), pair = free_ports(1), certificate(tmp_path)
            stack.enter_context(tls_to(valkey.socket, pair, port))
            url = f"rediss://dualtrack:secret@127.0.0.1:{port}/0?ssl_ca_certs={pair[0]}"
        api = stack.enter_context(running(tmp_path, valkey=valkey, redis_url=url))
        bench = Bench(api, tmp_path)
        worker = bench.start_worker()
        try:
            assert bench.until(bench.submit("ok 1"), ended).state is JobState.DONE
            with api.http() as http:
                bench.until_ready(http)
        finally:
            worker.kill()
            worker.wait()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        pytest.param({}, [], id="right"),
        pytest.param({"maxmemory-policy": "allkeys-lru"}, [EVICTED], id="evicts"),
        pytest.param({"appendonly": "no"}, [f"{NOT_KEPT}nothing"], id="keeps-nothing"),
        pytest.param({"appendonly": "no", "save": "60 1"}, [f"{NOT_KEPT}snapshots (save 60 1)"], id="snapshots"),
        pytest.param({"maxmemory-policy": "allkeys-lru", "appendonly": "no"}, [EVICTED, NOT_KEPT], id="both"),
    ],
)
def test_a_server_that_loses_jobs_is_named(valkey: Valkey, settings: dict[str, str], named: list[str]) -> None:
    for name, value in settings.items():
        send(valkey, "CONFIG", "SET", name, value)
    found = asyncio.run(lines(valkey.url))
    assert len(found) == len(named)
    assert [wanted for wanted, line in zip(named, found, strict=True) if wanted not in line] == []


@pytest.mark.parametrize(
    ("rights", "words"), [("-info", "unknown whether the server"), ("-config", "unknown whether snapshots")]
)
def test_what_the_server_does_not_say_is_unknown(valkey: Valkey, rights: str, words: str) -> None:
    send(valkey, "CONFIG", "SET", "appendonly", "no")
    send(valkey, "ACL", "SETUSER", "default", rights)
    found = asyncio.run(lines(valkey.url))
    assert len(found) == (2 if rights == "-info" else 1)
    assert [line for line in found if words not in line] == []


async def lines(url: str) -> tuple[str, ...]:
    redis = connect(url)
    try:
        return await losses(redis)
    finally:
        await redis.aclose()


def test_warnings_are_no_reason_not_to_be_ready(tmp_path: Path) -> None:
    with running(tmp_path, valkey=Valkey(tmp_path, "--maxmemory-policy", "allkeys-lru")) as api, api.http() as http:
        api.act(lambda parts: parts.workers.show("a worker"))
        bench = Bench(api, tmp_path)
        (warning,) = bench.until_ready(http)["warnings"]
    assert EVICTED in warning

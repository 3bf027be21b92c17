"""Readiness is the last answer of a check in the background, and a worker counts while it takes work. Real Valkey."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import wiring
from service.state import redis_keys
from service.wiring import Parts, Readiness
from service.worker.main import takes_work
from tests.integration.api.api_service import Api, running


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """It checks once, at its start."""
    monkeypatch.setattr(wiring, "CHECK_EVERY_S", 3600.0)
    with running(tmp_path) as api:
        yield api


async def commands(parts: Parts) -> int:
    """How often the server was asked which workers there are."""
    stats = await parts.redis.info("commandstats")
    return sum(int(stats[name]["calls"]) for name in ("cmdstat_zcount", "cmdstat_scan") if name in stats)


def test_a_request_checks_nothing(api: Api) -> None:
    before = api.act(commands)
    with api.http() as http:
        for _ in range(20):
            answer = http.get("/readyz")
            assert (answer.status_code, answer.json()["checks"]["workers"]) == (503, "no live worker")
    assert api.act(commands) == before <= 1


def test_an_old_answer_does_not_count(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(parts: Parts) -> list[dict[str, str | bool]]:
        readiness = Readiness(parts)
        seen = [readiness.checks()]
        await parts.workers.show("a")
        await readiness.look()
        seen.append(readiness.checks())
        monkeypatch.setattr(wiring, "STALE_S", -1.0)
        return [*seen, readiness.checks()]

    before, now, old = api.act(look)
    assert before == {"check": "not done yet"}
    assert now == {"models": True, "disk": True, "state": True, "workers": True}
    assert old == {**now, "check": "no answer for 0 s"}


def test_a_check_that_fails_is_said_and_done_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: Parts) -> dict[str, str | bool]:
        raise OverflowError

    async def look(parts: Parts) -> list[dict[str, str | bool]]:
        readiness, seen = Readiness(parts), []
        for check in (fail, wiring.ready):
            with monkeypatch.context() as patch:
                patch.setattr(wiring, "ready", check)
                await readiness.look()
            seen.append(readiness.checks())
        return seen

    failed, again = api.act(look)
    assert failed == {"check": "failed: OverflowError"}
    assert again["state"] is True


def test_workers_count_while_they_show_themselves(api: Api) -> None:
    async def work(parts: Parts) -> list[int]:
        counts = [await parts.workers.count()]
        for worker in ("a", "b", "a"):
            await parts.workers.show(worker)
        counts.append(await parts.workers.count())
        await parts.redis.zadd(redis_keys.WORKERS, {"a": time.time() - redis_keys.WORKER_TTL_S - 1})
        counts.append(await parts.workers.count())
        await parts.workers.show("b")
        counts.append(int(await parts.redis.zcard(redis_keys.WORKERS)))
        await parts.workers.leave("b")
        return [*counts, await parts.workers.count()]

    assert api.act(work) == [0, 2, 1, 1, 0]


@pytest.mark.parametrize(("seen_s_ago", "takes"), [(None, False), (0, True), (redis_keys.WORKER_TTL_S + 1, False)])
def test_a_worker_takes_work_while_its_queue_loop_runs(api: Api, seen_s_ago: float | None, takes: bool) -> None:
    async def work(parts: Parts) -> bool:
        if seen_s_ago is not None:
            await parts.redis.zadd(parts.docket.workers_set, {"a": time.time() - seen_s_ago})
        return await takes_work(parts, "a")

    assert api.act(work) is takes


def test_warnings_follow_the_settings_of_the_server(api: Api) -> None:
    async def look(parts: Parts) -> list[tuple[str, ...]]:
        readiness, seen = Readiness(parts), []
        for policy in ("noeviction", "allkeys-lru", "noeviction"):
            await parts.redis.config_set("maxmemory-policy", policy)
            await readiness.look()
            seen.append(readiness.warnings)
        return seen

    before, evicting, after = api.act(look)
    assert before == after == ()
    assert [line for line in evicting if "allkeys-lru" in line] == list(evicting) != []

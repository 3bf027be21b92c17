"""Checks of the Redis server at startup: permissions of the user, and whether accepted jobs can be lost."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from dualtrack.errors import ConfigurationError
from service.state import redis_keys
from service.state.connection import translated

HELP = "see the ACL in docs/operations.md"
PROBE = "probe"
"""Last part of the keys and channels used by the check."""
Try = Callable[[], Awaitable[object]]


async def check_rights(redis: Redis, subscribed: str) -> None:
    """Try the operations that the service uses.

    Args:
        redis: the connection.
        subscribed: the channel pattern that every worker subscribes to before it takes jobs.

    Raises:
        ConfigurationError: the user lacks a permission; the message names the operation.
        Unavailable: Redis can't be reached.
    """
    ours, queues = f"{redis_keys.PREFIX}:{PROBE}", f"{redis_keys.DOCKET}:{PROBE}"
    tries: dict[str, Try] = {f"PSUBSCRIBE {subscribed}": lambda: _subscribe(redis, subscribed)}
    commands = [("EVAL", "return 1", "0"), ("SCRIPT", "LOAD", "return 1"), ("TIME",), ("PUBLISH", queues, "")]
    for key in (ours, queues):
        # writes that add nothing, which are accepted even by a full server
        commands += [("HGETALL", key), ("ZRANGE", key, "0", "-1"), ("XRANGE", key, "-", "+"), ("DEL", key)]
    for command in commands:
        tries[" ".join(command[:2])] = partial(_command, redis, *command)
    missing = [f"{what} ({words})" for what, attempt in tries.items() if (words := await _refusal(attempt))]
    if missing:
        raise ConfigurationError(f"redis_url: the user lacks the permission for {'; '.join(missing)}; {HELP}")


async def losses(redis: Redis) -> tuple[str, ...]:
    """Reasons for which accepted jobs can be lost, one line each; unknown settings are listed, too.

    Raises:
        Unavailable: Redis can't be reached.
    """
    with translated():
        memory, persistence = await _info(redis, "memory"), await _info(redis, "persistence")
        policy, appends = memory.get("maxmemory_policy"), persistence.get("aof_enabled")
        return tuple(line for line in (_eviction(policy), await _persistence(redis, appends)) if line)


def _eviction(policy: object) -> str:
    if policy is None:
        return "state: unknown whether the server evicts keys: expected maxmemory_policy noeviction in INFO, got none"
    if policy == "noeviction":
        return ""
    return f"state: accepted jobs are lost when the server is full: expected maxmemory-policy noeviction, got {policy}"


async def _persistence(redis: Redis, appends: object) -> str:
    if appends is None:
        return "state: unknown whether the server keeps its data: expected aof_enabled 1 in INFO, got none"
    if str(appends) == "1":
        return ""
    try:
        saves = cast("dict[str, str]", await redis.config_get("save")).get("save")
    except ResponseError:
        saves = None
    kept = {None: "unknown whether snapshots", "": "nothing"}.get(saves, f"snapshots (save {saves})")
    return f"state: accepted jobs are lost when the server stops: expected appendonly yes, got no; kept on disk: {kept}"


async def _info(redis: Redis, section: str) -> Mapping[str, Any]:
    """A section of INFO; empty if the user may not read it or the server does not have it."""
    try:
        return cast("Mapping[str, Any]", await redis.info(section))
    except ResponseError:
        return {}


async def _command(redis: Redis, *command: str) -> object:
    answer: object = await redis.execute_command(*command)  # type: ignore[no-untyped-call]
    return answer


async def _subscribe(redis: Redis, pattern: str) -> None:
    async with redis.pubsub() as pubsub:
        await pubsub.psubscribe(pattern)
        await pubsub.get_message(timeout=1.0)


async def _refusal(attempt: Try) -> str:
    """The server's message if the user lacks the permission, else an empty string."""
    try:
        await attempt()
    except NoPermissionError as error:
        return str(error)
    except RedisError:
        # other errors are reported where the command is used
        return ""
    return ""

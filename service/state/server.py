"""What the state needs of its server, looked at once at the start: rights of the user, and that accepted jobs stay."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from dualtrack.errors import ConfigurationError
from service.state import redis_keys
from service.state.connection import translated

HELP = "docs/operations.md has the line that grants it"
PROBE = "probe"
"""Last part of the keys and channels that are only tried."""
Try = Callable[[], Awaitable[object]]


async def check_rights(redis: Redis, subscribed: str) -> None:
    """Try what the service does.

    Args:
        redis: the connection.
        subscribed: the pattern of channels that every worker listens to before it takes work.

    Raises:
        ConfigurationError: the user may not do it; the message names what.
        Unavailable: Redis can't be reached.
    """
    ours, queues = f"{redis_keys.PREFIX}:{PROBE}", f"{redis_keys.DOCKET}:{PROBE}"
    tries: dict[str, Try] = {f"PSUBSCRIBE {subscribed}": lambda: _subscribe(redis, subscribed)}
    commands = [("EVAL", "return 1", "0"), ("SCRIPT", "LOAD", "return 1"), ("TIME",), ("PUBLISH", queues, "")]
    for key in (ours, queues):
        # writes that add nothing, so that a full server takes them
        commands += [("HGETALL", key), ("ZRANGE", key, "0", "-1"), ("XRANGE", key, "-", "+"), ("DEL", key)]
    for command in commands:
        tries[" ".join(command[:2])] = partial(_command, redis, *command)
    missing = [f"{what} ({words})" for what, attempt in tries.items() if (words := await _refusal(attempt))]
    if missing:
        raise ConfigurationError(f"redis_url: the user lacks the right to {'; '.join(missing)}; {HELP}")


async def losses(redis: Redis) -> tuple[str, ...]:
    """Why accepted jobs may vanish, one line per reason; what the server does not say is a reason, too.

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
    return f"state: accepted jobs vanish when the server is full: expected maxmemory-policy noeviction, got {policy}"


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
    return f"state: accepted jobs vanish with the server: expected appendonly yes, got no; kept on disk: {kept}"


async def _info(redis: Redis, section: str) -> Mapping[str, Any]:
    """A section of INFO; nothing where the user may not read it, or a proxy knows none."""
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
    """The server's words if it does not let the user do that."""
    try:
        await attempt()
    except NoPermissionError as error:
        return str(error)
    except RedisError:
        # of any other kind: the ping before was answered, and whoever needs the command will say what is wrong
        return ""
    return ""

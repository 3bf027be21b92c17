"""The connection to Redis or Valkey, and translation of its errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from dualtrack.errors import Unavailable
from service.state import redis_keys

TIMEOUT_S = 3.0
RETRIES = 2
MOST_CONNECTIONS = 50
"""Maximum number of connections of one process; all operations are short."""
CONNECTION_WAIT_S = 10.0
"""Maximum time to wait for a free connection, in seconds."""
RETRY_AFTER_S = 2
REFUSED = "state-refused"
"""Code of an `Unavailable` that waiting does not solve: the server responds, and rejects the operation."""
PASSING = ("LOADING", "BUSY", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MISCONF", "NOREPLICAS")
"""Prefixes of error responses that are temporary."""
SHARED = ("common", "artifact_common")
"""Files with functions that scripts share."""
WORDS = 120
"""Maximum length of the server's message in errors; that of protected mode is very long."""


def connect(url: str) -> Redis:
    """A client with deadlines; a dropped connection is tried again before it is an error.

    If all connections are in use, further operations wait for one.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MOST_CONNECTIONS,
        timeout=CONNECTION_WAIT_S,
        decode_responses=True,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(ExponentialBackoff(cap=0.3, base=0.05), RETRIES),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
    )
    return Redis.from_pool(pool)


def script(redis: Redis, name: str) -> AsyncScript:
    """The Lua script `lua/<name>.lua`, with the functions that scripts share, ready to be called."""
    folder = files("service.state") / "lua"
    bounds = {
        "JOB_EVENTS": redis_keys.MOST_JOB_EVENTS,
        "ENDED_JOB_EVENTS": redis_keys.MOST_ENDED_JOB_EVENTS,
        "OWNER_EVENTS": redis_keys.MOST_OWNER_EVENTS,
        "OWNER_EVENTS_TTL": redis_keys.OWNER_EVENTS_TTL_S,
    }
    head = "".join(f"local {name} = {value}\n" for name, value in bounds.items())
    return redis.register_script(head + "".join((folder / f"{each}.lua").read_text() for each in (*SHARED, name)))


@contextmanager
def translated() -> Iterator[None]:
    """Redis's exceptions as `Unavailable`, with the code `REFUSED` where waiting does not help."""
    try:
        yield
    except OutOfMemoryError as error:
        raise Unavailable("state: Redis is full", code="state-full", retry_after_s=RETRY_AFTER_S) from error
    except (RedisError, OSError) as error:
        answer = _answer(error)
        detail = f"state: Redis can't be reached: {type(error).__name__ if answer is None else answer}"
        code = "state-unavailable" if answer is None or _passes(error) else REFUSED
        raise Unavailable(detail, code=code, retry_after_s=RETRY_AFTER_S) from error


def _answer(error: Exception) -> str | None:
    """The server's own words where it answered (wrong password, protected mode); never the address it has."""
    for raised in (error, error.__cause__):
        if isinstance(raised, ResponseError | AuthenticationError):
            return f"{type(raised).__name__}: {str(raised)[:WORDS]}"
    return None


def _passes(error: Exception) -> bool:
    """Whether the error in the server's response is temporary."""
    passing = (BusyLoadingError, ReadOnlyError, ClusterDownError, MasterDownError, TryAgainError)
    return isinstance(error, passing) or str(error).startswith(PASSING)

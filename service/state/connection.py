"""The connection to Redis or Valkey, and translation of its errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import AuthenticationError, OutOfMemoryError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from dualtrack.errors import Unavailable

TIMEOUT_S = 3.0
RETRIES = 2
RETRY_AFTER_S = 2
WORDS = 120
"""Maximum length of the server's message in errors; that of protected mode is very long."""


def connect(url: str) -> Redis:
    """A client with timeouts, which retries dropped connections."""
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(ExponentialBackoff(cap=0.3, base=0.05), RETRIES),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
    )


def script(redis: Redis, name: str) -> AsyncScript:
    """The Lua script `lua/<name>.lua` as a callable."""
    return redis.register_script((files("service.state") / "lua" / f"{name}.lua").read_text())


@contextmanager
def translated() -> Iterator[None]:
    """Convert Redis's exceptions to `Unavailable`."""
    try:
        yield
    except OutOfMemoryError as error:
        raise Unavailable("state: Redis is full", code="state-full", retry_after_s=RETRY_AFTER_S) from error
    except (RedisError, OSError) as error:
        raise Unavailable(
            f"state: Redis can't be reached: {_reason(error)}",
            code="state-unavailable",
            retry_after_s=RETRY_AFTER_S,
        ) from error


def _reason(error: Exception) -> str:
    """The server's message if it responded (wrong password, protected mode); never its address."""
    for raised in (error, error.__cause__):
        if isinstance(raised, ResponseError | AuthenticationError):
            return f"{type(raised).__name__}: {str(raised)[:WORDS]}"
    return type(error).__name__

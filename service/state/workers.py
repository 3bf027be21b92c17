"""Workers that take jobs: a sorted set by the time of their last heartbeat, on the server's clock."""

from redis.asyncio import Redis

from service.state import redis_keys
from service.state.connection import script, translated


class Workers:
    """The workers that take jobs.

    Args:
        redis: the connection (`decode_responses=True`).
    """

    def __init__(self, redis: Redis) -> None:
        self._redis, self._show = redis, script(redis, "show_worker")

    async def show(self, worker_id: str) -> None:
        """Record that a worker takes jobs.

        Raises:
            Unavailable: Redis can't be reached.
        """
        with translated():
            await self._show(keys=[redis_keys.WORKERS], args=[worker_id, redis_keys.WORKER_TTL_S])

    async def leave(self, worker_id: str) -> None:
        """Remove a worker. Raises like `show`."""
        with translated():
            await self._redis.zrem(redis_keys.WORKERS, worker_id)

    async def count(self) -> int:
        """Number of workers that take jobs. Raises like `show`."""
        with translated():
            seconds, micros = await self._redis.time()
            oldest = seconds + micros / 1e6 - redis_keys.WORKER_TTL_S
            return int(await self._redis.zcount(redis_keys.WORKERS, oldest, "+inf"))

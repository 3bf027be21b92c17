"""When a request is sent again."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dualtrack.errors import DualtrackError

MAX_DELAY_S = 8.0
"""The delay doubles with every try, up to this."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance, as the clients use them.

    Attributes:
        now: seconds, from any start.
        sleep: waits for a number of seconds.
        sleep_async: the same in an event loop.
        jitter: a random number from 0 up to 1.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    sleep_async: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random


SYSTEM = Clock()


class RetryableError(Exception):
    """A request failed with `error`, and the same request can succeed later.

    Attributes:
        error: for the caller, once there is no time left.
        retry_after_s: how long the server asked to wait, or None if it did not.
    """

    def __init__(self, error: DualtrackError, retry_after_s: float | None = None) -> None:
        super().__init__(error.detail)
        self.error = error
        self.retry_after_s = retry_after_s


class Backoff:
    """The delays between the tries of one request.

    `Retry-After` is the least delay. The jitter comes on top, so that many clients don't return at one moment.

    Args:
        retry_s: seconds from now in which a request is sent again.
        clock: of the client.
    """

    def __init__(self, retry_s: float, clock: Clock) -> None:
        self._deadline = clock.now() + retry_s
        self._clock = clock
        self._delay_s = 1.0

    def next_delay_s(self, failed: RetryableError) -> float:
        """Seconds to wait before the next try.

        Raises:
            DualtrackError: that of the failed try, where the next one would be too late.
        """
        least_s = self._delay_s / 2 if failed.retry_after_s is None else failed.retry_after_s
        left_s = self._deadline - self._clock.now()
        if least_s > left_s:
            raise failed.error from failed.__cause__
        delay_s = min(least_s + self._clock.jitter() * self._delay_s / 2, left_s)
        self._delay_s = min(2 * self._delay_s, MAX_DELAY_S)
        return delay_s

"""Retries of requests: which delays, and until when."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dualtrack.errors import DualtrackError

MAX_DELAY_S = 8.0
"""Maximum delay; the delay doubles with every attempt up to it."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Sources of time and randomness for the clients; tests replace them.

    Attributes:
        now: returns a time in seconds from an arbitrary start.
        sleep: waits for a number of seconds.
        sleep_async: waits for a number of seconds in an event loop.
        jitter: returns a random number in [0, 1).
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    sleep_async: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random


SYSTEM = Clock()


class RetryableError(Exception):
    """A request failed, but the same request may succeed later.

    Attributes:
        error: error to raise for the caller once there is no time left for another attempt.
        retry_after_s: seconds to wait as sent by the server; None if it sent none.
    """

    def __init__(self, error: DualtrackError, retry_after_s: float | None = None) -> None:
        super().__init__(error.detail)
        self.error = error
        self.retry_after_s = retry_after_s


class Backoff:
    """Delays between the attempts of one request.

    `Retry-After` is the minimum delay. Jitter is added to it, so that many clients do not retry at the same time.

    Args:
        retry_s: seconds from now for which the request may be repeated.
        clock: clock of the client.
    """

    def __init__(self, retry_s: float, clock: Clock) -> None:
        self._deadline = clock.now() + retry_s
        self._clock = clock
        self._delay_s = 1.0

    def next_delay_s(self, failed: RetryableError) -> float:
        """Seconds to wait before the next attempt.

        Raises:
            DualtrackError: the error of the failed attempt, if the next one would be too late.
        """
        least_s = self._delay_s / 2 if failed.retry_after_s is None else failed.retry_after_s
        left_s = self._deadline - self._clock.now()
        if least_s > left_s:
            raise failed.error from failed.__cause__
        delay_s = min(least_s + self._clock.jitter() * self._delay_s / 2, left_s)
        self._delay_s = min(2 * self._delay_s, MAX_DELAY_S)
        return delay_s

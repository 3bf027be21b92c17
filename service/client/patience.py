"""When a request is sent again."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dualtrack.errors import DualtrackError

MOST_S = 8.0
"""The delay doubles with every try, up to this."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance, as the client uses them.

    Attributes:
        now: seconds, from any start.
        sleep: waits for a number of seconds.
        jitter: a random number from 0 up to 1.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


class CanPassError(Exception):
    """A request failed with `error`, and the same request can succeed later.

    Attributes:
        error: for the caller, once there is no time left.
        retry_after_s: how long the server asked to wait, or None if it did not.
    """

    def __init__(self, error: DualtrackError, retry_after_s: float | None = None) -> None:
        super().__init__(error.detail)
        self.error = error
        self.retry_after_s = retry_after_s


def repeat(send: Callable[[], T], patience_s: float, clock: Clock) -> T:
    """The result of `send`, called again after every `CanPassError` for `patience_s` seconds.

    `Retry-After` is the least delay. The jitter comes on top, so that many clients don't return at one moment.

    Raises:
        DualtrackError: of the last `CanPassError`, as soon as the next try would be too late.
    """
    deadline = clock.now() + patience_s
    delay_s = 1.0
    while True:
        try:
            return send()
        except CanPassError as failed:
            asked_s = failed.retry_after_s
            least_s = delay_s / 2 if asked_s is None else asked_s
            left_s = deadline - clock.now()
            if least_s > left_s:
                raise failed.error from failed.__cause__
        clock.sleep(min(least_s + clock.jitter() * delay_s / 2, left_s))
        delay_s = min(2 * delay_s, MOST_S)

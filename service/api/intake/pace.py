"""How fast a body has to come: bounds on a client that sends a little now and then to keep a slot."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from dualtrack.errors import InvalidInput, Overloaded

WINDOW_S = 30.0
"""Seconds over which the rate of a body counts; a connection that breaks off for a while is no attack."""
LEAST_RATE = 1024
"""Bytes per second that a body must have in every window."""
SLOW_AFTER_S = 5.0
SLOW_RATE = 16 * 1024
"""Bytes per second below which a body counts as slow, from `SLOW_AFTER_S` on."""
MOST_SLOW = 4
"""Slow bodies at once of one client: fewer than there are slots for uploads."""


class SlowBodies:
    """How many slow bodies each client has under way."""

    def __init__(self) -> None:
        self._clients: Counter[str] = Counter()

    def add(self, client: str) -> None:
        """One more.

        Raises:
            Overloaded: the client has as many as it may.
        """
        if self._clients[client] >= MOST_SLOW:
            raise Overloaded(
                f"uploads: at most {MOST_SLOW} of one client may be slower than {SLOW_RATE} bytes/s at the same time",
                code="too-many-uploads",
            )
        self._clients[client] += 1

    def remove(self, client: str) -> None:
        """One less."""
        self._clients[client] -= 1
        if not self._clients[client]:
            del self._clients[client]


class Pace:
    """The pace of one body, in seconds of waiting for it: what the service itself takes does not count.

    Args:
        client: whose body it is.
        slow: the slow bodies of all clients.
        deadline_s: for the whole body.
    """

    def __init__(self, client: str, slow: SlowBodies, *, deadline_s: float) -> None:
        self._client, self._slow, self._deadline_s = client, slow, deadline_s
        self._waited = self._window_start = 0.0
        self._size = self._window_size = 0
        self._is_slow = False

    @contextmanager
    def followed(self) -> Iterator[None]:
        """The body comes within the block."""
        try:
            yield
        finally:
            self._count(slow=False)

    def came(self, size: int, waited_s: float) -> None:
        """`size` bytes came after `waited_s` seconds.

        Raises:
            InvalidInput: the body is slower than the least rate, or past its deadline.
            Overloaded: the client has too many slow bodies.
        """
        self._waited += waited_s
        self._size += size
        self._window_size += size
        if self._waited > self._deadline_s:
            raise _stalled(f"expected the whole within {self._deadline_s:g} s, got {self._size} bytes")
        window_s = self._waited - self._window_start
        if window_s >= WINDOW_S:
            if self._window_size < LEAST_RATE * window_s:
                raise _stalled(
                    f"expected at least {LEAST_RATE} bytes/s, got {self._window_size} bytes in {window_s:.0f} s"
                )
            self._window_start, self._window_size = self._waited, 0
        if self._waited >= SLOW_AFTER_S:
            self._count(slow=self._size < SLOW_RATE * self._waited)

    def _count(self, *, slow: bool) -> None:
        if slow and not self._is_slow:
            self._slow.add(self._client)
        elif self._is_slow and not slow:
            self._slow.remove(self._client)
        self._is_slow = slow


def _stalled(detail: str) -> InvalidInput:
    return InvalidInput(f"body: {detail}", code="upload-stalled")

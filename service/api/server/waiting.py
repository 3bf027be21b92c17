"""Connections that have sent no complete header yet, by client: of one client only so many may be held open."""

import time
from collections.abc import Callable
from typing import Protocol

MOST_WAITING = 32
"""Connections without a complete header that one client may hold; requests under way do not count."""
YOUNG_S = 1.0
"""A connection counts from this age on: the headers of many that were opened at once are already on their way."""


class Droppable(Protocol):
    """A connection."""

    def drop(self) -> None:
        """Close it."""


class Waiting:
    """The waiting connections of one server, oldest first.

    Args:
        most: of one client.
        young_s: age from which a connection may be dropped for a newer one.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        *,
        most: int = MOST_WAITING,
        young_s: float = YOUNG_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._young_s, self._clock = most, young_s, clock
        self._clients: dict[str, dict[Droppable, float]] = {}

    def add(self, client: str, connection: Droppable) -> None:
        """A connection begins to wait; beyond the bound the client's oldest one is dropped."""
        waiting = self._clients.setdefault(client, {})
        waiting[connection] = self._clock()
        oldest = next(iter(waiting))
        if len(waiting) > self._most and waiting[connection] - waiting[oldest] >= self._young_s:
            oldest.drop()

    def remove(self, client: str, connection: Droppable) -> None:
        """Its header is complete, or it was closed."""
        waiting = self._clients.get(client, {})
        waiting.pop(connection, None)
        if not waiting:
            self._clients.pop(client, None)

    def count(self, client: str) -> int:
        """How many of a client wait."""
        return len(self._clients.get(client, {}))

"""What a stage has done so far, kept every few steps: a job that was killed goes on from there.

Checkpoints lie in the stage cache and go when their stage is done; without room there are none, and a job starts anew.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from service.pipeline.store.cache import StageCache, recall

T = TypeVar("T")


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run.

    Each has a key of its own, so that whoever is told of a key can tell progress from a second try.

    Attributes:
        cache: keeps them.
        key: from a name to what it is kept under, which also depends on the video, the models and the parameters.
        every: steps from one to the next; 0 = none.
    """

    cache: StageCache
    key: Callable[[str], str]
    every: int

    def keep(self, name: str, data: bytes) -> None:
        """Keep a state, if there is room."""
        self.cache.put(self.key(name), data)

    def find(self, name: str, unpack: Callable[[bytes], T]) -> T | None:
        """A state of an earlier attempt; None if there is none, or none that can be read."""
        return recall(self.cache, self.key(name), unpack) if self.every else None

    def drop(self, name: str) -> None:
        """It has been overtaken."""
        self.cache.drop(self.key(name))

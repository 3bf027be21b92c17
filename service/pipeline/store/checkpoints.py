"""Checkpoints of a stage's progress, stored every few steps, from which a killed job resumes.

Checkpoints are stored in the stage cache and removed when their stage is done. Without space for them, a killed job
starts again. Each stage packs and unpacks its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.pipeline.store.cache import StageCache, recall

T = TypeVar("T")


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run.

    Each has a separate key, so that progress can be distinguished from repeating the same steps.

    Attributes:
        cache: where they are stored.
        key: maps a name to a cache key, which also depends on video, models and parameters.
        every: steps between checkpoints; 0 disables them.
    """

    cache: StageCache
    key: Callable[[str], str]
    every: int

    def keep(self, name: str, data: bytes) -> None:
        """Store a state if there is space."""
        self.cache.put(self.key(name), data, checkpoint=True)

    def find(self, name: str, unpack: Callable[[bytes], T]) -> T | None:
        """A state of an earlier attempt; None if there is none or it can't be read."""
        return recall(self.cache, self.key(name), unpack, checkpoint=True) if self.every else None

    def drop(self, name: str) -> None:
        """Delete a checkpoint that is no longer needed."""
        self.cache.drop(self.key(name))


class PiecewiseCheckpoints(Generic[T]):
    """Results of consecutive steps of a stage, in pieces of equal length, each stored as a checkpoint.

    Args:
        checkpoints: of the run.
        stage: names the pieces.
        pack: results of some steps -> bytes.
        unpack: the inverse; raises ValueError for invalid bytes.
        batch: number of steps done together; no piece ends within a batch.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        stage: str,
        pack: Callable[[Sequence[T]], bytes],
        unpack: Callable[[bytes], list[T]],
        *,
        batch: int,
    ) -> None:
        self._checkpoints, self._stage, self._pack, self._unpack = checkpoints, stage, pack, unpack
        self._length = -(-checkpoints.every // batch) * batch

    def kept(self) -> list[T]:
        """Results of earlier attempts for the first steps, as far as their pieces reach."""
        found: list[T] = []
        while (piece := self._checkpoints.find(self._name(len(found)), self._unpack)) is not None:
            if len(piece) != self._length:
                break
            found += piece
        return found

    def keep(self, found: Sequence[T], total: int) -> None:
        """Store the latest piece of the results so far, if one is due."""
        if self._length and len(found) % self._length == 0 and len(found) < total:
            first = len(found) - self._length
            self._checkpoints.keep(self._name(first), self._pack(found[first:]))

    def end(self, total: int) -> None:
        """Delete all pieces."""
        for first in range(0, total, self._length) if self._length else ():
            self._checkpoints.drop(self._name(first))

    def _name(self, first: int) -> str:
        return f"{self._stage} {first}"


class LatestCheckpoint(Generic[T]):
    """The state of a stage after some of its steps, of which only the latest is stored.

    Args:
        checkpoints: of the run.
        name: distinguishes it from other checkpoints of the run.
        steps: number of steps of the stage.
        pack: a state -> bytes.
        unpack: the inverse; raises ValueError for invalid bytes.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        name: str,
        steps: int,
        pack: Callable[[T], bytes],
        unpack: Callable[[bytes], T],
    ) -> None:
        self._checkpoints, self._name, self._steps = checkpoints, name, steps
        self._pack, self._unpack = pack, unpack
        self._newest: int | None = None

    def find(self) -> T | None:
        """The latest state of an earlier attempt, if it can be read."""
        every = self._checkpoints.every
        for done in range((self._steps - 1) // every * every, 0, -every) if every else ():
            if (state := self._checkpoints.find(self._after(done), self._unpack)) is not None:
                self._newest = done
                return state
        return None

    def keep(self, done: int, state: T) -> None:
        """Store the state after `done` steps if one is due, replacing the previous one; not after the last step."""
        every = self._checkpoints.every
        if every and done % every == 0 and done < self._steps:
            self._checkpoints.keep(self._after(done), self._pack(state))
            self.end()
            self._newest = done

    def end(self) -> None:
        """Delete the latest state."""
        if self._newest is not None:
            self._checkpoints.drop(self._after(self._newest))

    def _after(self, done: int) -> str:
        return f"{self._name} {done}"

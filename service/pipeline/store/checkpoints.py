"""What a stage has done so far, stored every few steps: a job that was killed resumes from there.

Checkpoints are in the stage cache and are removed when their stage is done; without room there are none, and a job
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

    Each has a key of its own, so that progress can be distinguished from a second try at the same steps.

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
        self.cache.put(self.key(name), data, checkpoint=True)

    def find(self, name: str, unpack: Callable[[bytes], T]) -> T | None:
        """A state of an earlier attempt; None if there is none, or none that can be read."""
        return recall(self.cache, self.key(name), unpack, checkpoint=True) if self.every else None

    def drop(self, name: str) -> None:
        """A later checkpoint replaces it."""
        self.cache.drop(self.key(name))


class PiecewiseCheckpoints(Generic[T]):
    """What a stage finds for one step after the other, in pieces of equal length, each a checkpoint.

    Args:
        checkpoints: of the run.
        stage: names the pieces.
        pack: what was found for some steps -> bytes.
        unpack: the inverse; raises ValueError for what it can't read.
        batch: steps that are done together: no piece ends within a batch.
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
        """What earlier attempts found for the first steps, up to where their pieces reach."""
        found: list[T] = []
        while (piece := self._checkpoints.find(self._name(len(found)), self._unpack)) is not None:
            if len(piece) != self._length:
                break
            found += piece
        return found

    def keep(self, found: Sequence[T], total: int) -> None:
        """Keep the newest piece of what was found so far, if it is time."""
        if self._length and len(found) % self._length == 0 and len(found) < total:
            first = len(found) - self._length
            self._checkpoints.keep(self._name(first), self._pack(found[first:]))

    def end(self, total: int) -> None:
        """No piece is needed any more."""
        for first in range(0, total, self._length) if self._length else ():
            self._checkpoints.drop(self._name(first))

    def _name(self, first: int) -> str:
        return f"{self._stage} {first}"


class LatestCheckpoint(Generic[T]):
    """The state of a stage after some of its steps, of which only the newest is kept.

    Args:
        checkpoints: of the run.
        name: distinguishes this from everything else that is kept of the run.
        steps: of the whole stage.
        pack: a state -> bytes.
        unpack: the inverse; raises ValueError for what it can't read.
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
        """What an earlier attempt kept last, if it can be read."""
        every = self._checkpoints.every
        for done in range((self._steps - 1) // every * every, 0, -every) if every else ():
            if (state := self._checkpoints.find(self._after(done), self._unpack)) is not None:
                self._newest = done
                return state
        return None

    def keep(self, done: int, state: T) -> None:
        """Keep the state after `done` steps if it is time, in place of the one before; after the last step none is."""
        every = self._checkpoints.every
        if every and done % every == 0 and done < self._steps:
            self._checkpoints.keep(self._after(done), self._pack(state))
            self.end()
            self._newest = done

    def end(self) -> None:
        """The newest is not needed any more."""
        if self._newest is not None:
            self._checkpoints.drop(self._after(self._newest))

    def _after(self, done: int) -> str:
        return f"{self._name} {done}"

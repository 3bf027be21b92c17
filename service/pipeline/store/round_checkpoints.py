"""The newest state of a round of tracking, so that a killed job goes on with it."""

import hashlib
from collections.abc import Sequence

from service.pipeline.store.checkpoints import Checkpoints
from service.pipeline.store.codec import pack_round, unpack_round
from service.pipeline.tracks.round import Round


class RoundCheckpoints:
    """Checkpoints of one round.

    Args:
        checkpoints: of the run.
        seeds: names of the seeds, in their order: they tell rounds apart.
        steps: of the whole round.
    """

    def __init__(self, checkpoints: Checkpoints, seeds: Sequence[str], steps: int) -> None:
        self._checkpoints, self._steps = checkpoints, steps
        self._round = hashlib.sha256(" ".join(seeds).encode()).hexdigest()
        self._newest: int | None = None

    def newest(self) -> Round | None:
        """What an earlier attempt kept last, if it can be read."""
        every = self._checkpoints.every
        for done in range((self._steps - 1) // every * every, 0, -every) if every else ():
            if (state := self._checkpoints.find(self._name(done), unpack_round)) is not None:
                self._newest = done
                return state
        return None

    def keep(self, state: Round) -> None:
        """Keep a state if it is time, in place of the one before; the last one is followed by the tubelets."""
        every = self._checkpoints.every
        if every and state.done % every == 0 and state.done < self._steps:
            self._checkpoints.keep(self._name(state.done), pack_round(state))
            self.end()
            self._newest = state.done

    def end(self) -> None:
        """The newest is not needed any more."""
        if self._newest is not None:
            self._checkpoints.drop(self._name(self._newest))

    def _name(self, done: int) -> str:
        return f"track {self._round} {done}"

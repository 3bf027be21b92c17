"""The frames that a detector has seen so far, in pieces, so that a killed job goes on with the next."""

from collections.abc import Sequence
from dataclasses import replace

from service.pipeline.store.checkpoints import Checkpoints
from service.pipeline.store.codec import pack_detections, unpack_detections
from service.structures.detections import Detections


class DetectionCheckpoints:
    """Checkpoints of the stage DETECT, one per piece.

    Args:
        checkpoints: of the run.
        batch: frames of one call of the detector; no piece ends within one, for the frames of a call stay together.
    """

    def __init__(self, checkpoints: Checkpoints, batch: int) -> None:
        self._checkpoints, self._every = checkpoints, -(-checkpoints.every // batch) * batch

    def kept(self) -> list[Detections]:
        """Candidates of the first frames, up to where the pieces of earlier attempts reach."""
        found: list[Detections] = []
        while (piece := self._checkpoints.find(_name(len(found)), unpack_detections)) is not None:
            if len(piece) != self._every:
                break
            found += [replace(frame, frame=len(found) + t) for t, frame in enumerate(piece)]
        return found

    def keep(self, found: Sequence[Detections], total: int) -> None:
        """Keep the newest piece of what was found so far, if it is time."""
        if self._every and len(found) % self._every == 0 and len(found) < total:
            first = len(found) - self._every
            self._checkpoints.keep(_name(first), pack_detections(found[first:]))

    def end(self, total: int) -> None:
        """No piece is needed any more."""
        for first in range(0, total, self._every) if self._every else ():
            self._checkpoints.drop(_name(first))


def _name(first: int) -> str:
    return f"detect {first}"

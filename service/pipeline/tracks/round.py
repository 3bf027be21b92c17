"""Where a round of tracking stands: a value that can be stored after any step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.structures.detections import Candidate
from service.tracking.dual_tracker import Outcome, TrackState


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """All tracks of a round between two steps.

    Attributes:
        done: steps so far; a step is one frame of one sweep.
        live: the tracks of the sweep under way that have not stopped, by their seed's number.
        outcomes: what every seed's tracks have said so far, by frame.
    """

    done: int
    live: Mapping[int, TrackState]
    outcomes: Sequence[Mapping[int, Outcome]]


def beginning(seeds: Sequence[Candidate]) -> Round:
    """Before the first step: every seed stands in its own frame."""
    return Round(0, {}, [{seed.frame: Outcome(seed.mask, seed.box, 1.0)} for seed in seeds])

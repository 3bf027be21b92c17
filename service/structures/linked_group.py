"""A linked group: the candidates of one object over consecutive frames."""

from dataclasses import dataclass

from service.structures.detections import Candidate


@dataclass(frozen=True, slots=True)
class LinkedGroup:
    """Candidates that overlap from frame to frame (docs/method.md, section 4).

    Attributes:
        leader: the best one, the group's seed.
        members: all of them, the leader included.
    """

    leader: Candidate
    members: tuple[Candidate, ...]

    @property
    def scores(self) -> dict[int, float]:
        """The best score in each of the group's frames."""
        best: dict[int, float] = {}
        for candidate in self.members:
            best[candidate.frame] = max(best.get(candidate.frame, 0.0), candidate.score)
        return best

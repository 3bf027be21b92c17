"""Rounds of a chunk: choose seeds, track them, drop what their tubelets explain, until nothing is left."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from service.calibration.params import ProposalParams
from service.calibration.seeds import left_over, next_groups, unexplained, without
from service.pipeline.tracks.caching import SeedTracker
from service.structures.detections import Detections
from service.structures.linked_group import LinkedGroup
from service.structures.tubelets import Tubelet
from service.tracking.forecast import Forecast, Untracked


@dataclass(frozen=True, slots=True)
class Tracked:
    """What became of the seeds of a chunk.

    Attributes:
        seeds: in the order in which they were chosen: the tubelet, or why the seed was given up.
        capped: whether `max_seeds` excluded candidates that these do not explain.
    """

    seeds: list[Tubelet | Untracked]
    capped: bool

    @property
    def tubelets(self) -> list[Tubelet]:
        """Those of the seeds that were tracked to the end."""
        return [item for item in self.seeds if isinstance(item, Tubelet)]


async def track_all(
    calibrated: Sequence[Detections],
    proposals: ProposalParams,
    tracker: SeedTracker,
    forecast: Forecast | None,
    report: Callable[[float], None],
) -> Tracked:
    """Tubelets of all seeds, in rounds; candidates explained by tubelets are excluded from the next round.

    A seed that is given up counts as one of `max_seeds`, and the candidates of its group are excluded like it.

    Args:
        calibrated: candidates of the chunk by frame.
        proposals: of the selection.
        tracker: of the seeds.
        forecast: which seeds are given up; None: none.
        report: called with the share of the work that is done, in [0, 1].
    """
    seeds, tubelets = list[Tubelet | Untracked](), list[Tubelet]()
    left, pool = list(calibrated), list(calibrated)
    rounds = 1 if proposals.strategy == "greedy" else proposals.max_rounds
    for number in range(rounds):
        groups = next_groups(pool, proposals, room=proposals.max_seeds - len(seeds))
        if not groups:
            break
        # the number of rounds is unknown, so each except the last possible one counts as 3/4 of the rest
        begin, end = 1 - 0.25**number, 1 - 0.25 ** (number + 1) if number + 1 < rounds else 1.0
        found = await track_groups(groups, tracker, forecast, partial(_report_round, report, begin, end))
        seeds += found
        tubelets += [item for item in found if isinstance(item, Tubelet)]
        pairs = zip(groups, found, strict=True)
        dropped = [member for group, item in pairs if isinstance(item, Untracked) for member in group.members]
        left = without(left, dropped)
        pool = unexplained(without(pool, dropped), tubelets, proposals)
    report(1.0)
    return Tracked(seeds, left_over(left, tubelets, proposals, given_up=len(seeds) - len(tubelets)))


async def track_groups(
    groups: Sequence[LinkedGroup],
    tracker: SeedTracker,
    forecast: Forecast | None,
    report: Callable[[int, int], None],
) -> list[Tubelet | Untracked]:
    """Track the leaders of those groups that may reach `min_score`; per group, in order, what became of it."""
    hopeless = {} if forecast is None else {item.seed.place: item for item in forecast.hopeless(groups)}
    seeds = [group.leader for group in groups if group.leader.place not in hopeless]
    tracked = iter(await tracker.track(seeds, report) if seeds else [])
    return [hopeless.get(group.leader.place) or next(tracked) for group in groups]


def _report_round(report: Callable[[float], None], begin: float, end: float, done: int, total: int) -> None:
    """Report steps of a round that covers the work from the share `begin` to `end`."""
    report(begin + (end - begin) * done / total)

"""Selection of key detections, the candidates that are tracked (docs/method.md, section 4)."""

from collections.abc import Iterable, Sequence, Set
from itertools import pairwise

import numpy as np

from service.calibration.params import ProposalParams
from service.structures.arrays import I64
from service.structures.detections import Candidate, Detections, Place
from service.structures.linked_group import LinkedGroup
from service.structures.masks import iou_matrix
from service.structures.tubelets import Tubelet


def next_seeds(frames: Sequence[Detections], params: ProposalParams, *, room: int) -> list[Candidate]:
    """The seeds of one round, best first, at most `room`."""
    return [group.leader for group in next_groups(frames, params, room=room)]


def next_groups(frames: Sequence[Detections], params: ProposalParams, *, room: int) -> list[LinkedGroup]:
    """The groups whose leaders are the seeds of one round, best first, at most `room`; `greedy` has groups of one."""
    if params.strategy == "greedy":
        groups = [LinkedGroup(seed, (seed,)) for seed in greedy(frames, params)]
    else:
        groups = linked_groups(frames, params)
    return groups[: max(room, 0)]


def greedy(frames: Sequence[Detections], params: ProposalParams) -> list[Candidate]:
    """The paper's rule: best first, dropping those with an IoU above `th_iou` with a better one of any frame.

    Masks are compared without motion compensation.
    """
    return _apart(frames, params, params.max_seeds)


def _apart(frames: Sequence[Detections], params: ProposalParams, most: int) -> list[Candidate]:
    kept: list[Candidate] = []
    for candidate in _sorted(_candidates(frames)):
        if len(kept) == most:
            break
        others = [other.mask for other in kept]
        if not others or iou_matrix([candidate.mask], others).max() <= params.th_iou:
            kept.append(candidate)
    return kept


def linked_groups(frames: Sequence[Detections], params: ProposalParams) -> list[LinkedGroup]:
    """The linked groups whose leaders are the seeds of one round, at most `max_seeds`.

    A group links candidates of adjacent frames with mask IoU > `th_iou`, so an object that is always detected is one
    group, wherever it moves; if the chain breaks, it is several. Groups that share a frame with each group chosen so
    far are certainly different objects, and come first. Groups that may be one of these objects again follow, up to two
    thirds of all seeds: a second track of an object that is hard to follow is often the better one, but must not
    displace other objects. Leaders with an IoU above `th_iou` with a better one in the same frame are omitted.
    """
    groups = _all_groups(frames, params)
    seen = {root: group.scores.keys() for root, group in groups.items()}
    taken: list[int] = []
    again: list[int] = []
    for root in sorted(groups, key=lambda root: _rank(groups[root].leader)):
        sure = all(seen[root] & seen[other] for other in taken)
        (taken if sure else again).append(root)
    room = max(params.max_seeds * 2 // 3 - len(taken), 0)
    return _distinct([groups[root] for root in [*taken, *again[:room]]], params)


def _linked(frames: Sequence[Detections], params: ProposalParams) -> list[int]:
    """The group of every candidate, in order of frames."""
    groups = _Groups(sum(len(frame) for frame in frames))
    start = 0
    for before, after in pairwise(frames):
        overlap = iou_matrix(before.masks, after.masks) > params.th_iou
        for i, j in np.argwhere(overlap):
            groups.join(start + int(i), start + len(before) + int(j))
        start += len(before)
    return groups.roots()


def group_scores(frames: Sequence[Detections], params: ProposalParams) -> dict[Place, dict[int, float]]:
    """The linked group of every candidate, by its place: the best score in each of the group's frames."""
    groups = _all_groups(frames, params).values()
    return {member.place: scores for group in groups for scores in [group.scores] for member in group.members}


def _all_groups(frames: Sequence[Detections], params: ProposalParams) -> dict[int, LinkedGroup]:
    """All linked groups by their roots; of equally good candidates the first one leads."""
    members: dict[int, list[Candidate]] = {}
    for root, candidate in zip(_linked(frames, params), _candidates(frames), strict=True):
        members.setdefault(root, []).append(candidate)
    return {root: LinkedGroup(max(found, key=lambda c: c.score), tuple(found)) for root, found in members.items()}


def without(frames: Sequence[Detections], dropped: Iterable[Candidate]) -> list[Detections]:
    """The frames without these candidates, which are found by their places."""
    places = {candidate.place for candidate in dropped}
    return [frame.select(_others(frame, places)) for frame in frames]


def unexplained(frames: Sequence[Detections], tubelets: Sequence[Tubelet], params: ProposalParams) -> list[Detections]:
    """Candidates left for the next round: those without a tubelet of IoU above `th_iou` in their frame."""
    return [_without(frame, tubelets, params) for frame in frames]


def left_over(
    frames: Sequence[Detections], tubelets: Sequence[Tubelet], params: ProposalParams, *, given_up: int = 0
) -> bool:
    """Whether `max_seeds` excluded candidates that the tubelets of the other seeds do not explain.

    Args:
        frames: candidates, without those of seeds that were given up.
        tubelets: of all tracked seeds.
        params: of the selection.
        given_up: number of seeds that were chosen, but have no tubelet.
    """
    if len(tubelets) + given_up < params.max_seeds:
        return False
    if params.strategy == "greedy":
        return len(_apart(frames, params, params.max_seeds + 1)) > params.max_seeds
    return any(len(frame) for frame in unexplained(frames, tubelets, params))


def _without(frame: Detections, tubelets: Sequence[Tubelet], params: ProposalParams) -> Detections:
    masks = [mask for tubelet in tubelets if (mask := tubelet.masks[frame.frame]) is not None]
    overlap = iou_matrix(frame.masks, masks)
    covered = overlap.max(axis=1, initial=0) > params.th_iou
    # seeds are removed as well: one whose mask shrank at the box would be chosen again in every round
    others = _others(frame, {tubelet.seed.place for tubelet in tubelets})
    return frame.select(others[~covered[others]])


def _others(frame: Detections, places: Set[Place]) -> I64:
    """Indices of the candidates whose place is not among `places`."""
    return np.array([i for i in range(len(frame)) if frame.candidate(i).place not in places], np.int64)


def _distinct(groups: Sequence[LinkedGroup], params: ProposalParams) -> list[LinkedGroup]:
    kept: list[LinkedGroup] = []
    for group in groups:
        if len(kept) == params.max_seeds:
            break
        rivals = [other.leader.mask for other in kept if other.leader.frame == group.leader.frame]
        if not rivals or iou_matrix([group.leader.mask], rivals).max() <= params.th_iou:
            kept.append(group)
    return kept


def _candidates(frames: Sequence[Detections]) -> list[Candidate]:
    return [frame.candidate(i) for frame in frames for i in range(len(frame))]


def _sorted(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Sort best first; ties by frame and position, so that the order of the input does not matter."""
    return sorted(candidates, key=_rank)


def _rank(candidate: Candidate) -> tuple[float, int, tuple[float, ...]]:
    return (-candidate.score, candidate.frame, tuple(float(x) for x in candidate.box))


class _Groups:
    """Union-find over the numbers 0..n-1."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, item: int) -> int:
        while self._parent[item] != item:
            self._parent[item] = self._parent[self._parent[item]]
            item = self._parent[item]
        return item

    def roots(self) -> list[int]:
        return [self.root(item) for item in range(len(self._parent))]

    def join(self, a: int, b: int) -> None:
        self._parent[self.root(a)] = self.root(b)

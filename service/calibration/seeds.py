"""Selection of key detections, the candidates that are tracked (docs/method.md, section 4)."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from service.calibration.params import ProposalParams
from service.structures.detections import Candidate, Detections
from service.structures.masks import iou_matrix
from service.structures.tubelets import Tubelet


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


def group_leaders(frames: Sequence[Detections], params: ProposalParams) -> list[Candidate]:
    """The best candidate of each linked group: the seeds of one round.

    A group links candidates of adjacent frames with mask IoU > `th_iou`, so an object that is always detected is one
    group, wherever it moves; if the chain breaks, it is several. Groups that share a frame with each group chosen so
    far are certainly different objects, and come first. Groups that may be one of these objects again follow, up to two
    thirds of all seeds: a second track of an object that is hard to follow is often the better one, but must not
    displace other objects. Leaders with an IoU above `th_iou` with a better one in the same frame are omitted.
    """
    candidates = _candidates(frames)
    roots = _linked(frames, params)
    best: dict[int, Candidate] = {}
    seen: dict[int, set[int]] = {}
    for root, candidate in zip(roots, candidates, strict=True):
        seen.setdefault(root, set()).add(candidate.frame)
        if root not in best or candidate.score > best[root].score:
            best[root] = candidate
    taken: list[int] = []
    again: list[int] = []
    for root in sorted(best, key=lambda root: _rank(best[root])):
        sure = all(seen[root] & seen[other] for other in taken)
        (taken if sure else again).append(root)
    room = max(params.max_seeds * 2 // 3 - len(taken), 0)
    return _distinct([best[root] for root in [*taken, *again[:room]]], params)


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


def unexplained(frames: Sequence[Detections], tubelets: Sequence[Tubelet], params: ProposalParams) -> list[Detections]:
    """Candidates left for the next round: those without a tubelet of IoU above `th_iou` in their frame."""
    return [_without(frame, tubelets, params) for frame in frames]


def left_over(frames: Sequence[Detections], tubelets: Sequence[Tubelet], params: ProposalParams) -> bool:
    """Whether `max_seeds` excluded candidates that the tubelets of the other seeds do not explain."""
    if len(tubelets) < params.max_seeds:
        return False
    if params.strategy == "greedy":
        return len(_apart(frames, params, params.max_seeds + 1)) > params.max_seeds
    return any(len(frame) for frame in unexplained(frames, tubelets, params))


def _without(frame: Detections, tubelets: Sequence[Tubelet], params: ProposalParams) -> Detections:
    seeds = {(seed.frame, seed.box.tobytes(), seed.mask) for seed in (tubelet.seed for tubelet in tubelets)}
    masks = [mask for tubelet in tubelets if (mask := tubelet.masks[frame.frame]) is not None]
    overlap = iou_matrix(frame.masks, masks)
    covered = overlap.max(axis=1, initial=0) > params.th_iou
    # seeds are removed as well: one whose mask shrank at the box would be chosen again in every round
    places = zip(frame.boxes, frame.masks, strict=True)
    used = np.array([(frame.frame, box.tobytes(), mask) in seeds for box, mask in places], np.bool_)
    return frame.select(np.flatnonzero(~(covered | used)).astype(np.int64))


def _distinct(candidates: Sequence[Candidate], params: ProposalParams) -> list[Candidate]:
    kept: list[Candidate] = []
    for candidate in candidates:
        if len(kept) == params.max_seeds:
            break
        rivals = [other.mask for other in kept if other.frame == candidate.frame]
        if not rivals or iou_matrix([candidate.mask], rivals).max() <= params.th_iou:
            kept.append(candidate)
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

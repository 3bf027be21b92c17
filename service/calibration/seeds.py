"""Key detections: which candidates are tracked (IPDT section 3.2, spatial and temporal proposal filtering)."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from service.calibration.params import ProposalParams
from service.structures.detections import Candidate, Detections
from service.structures.masks import iou_matrix
from service.structures.tubelets import Tubelet


def greedy(frames: Sequence[Detections], params: ProposalParams) -> list[Candidate]:
    """The paper's rule: best first, drop what overlaps a better one by more than `th_iou` in any frame.

    Masks are compared where they lie in the image, without motion compensation.
    """
    kept: list[Candidate] = []
    for candidate in _sorted(_candidates(frames)):
        if len(kept) == params.max_seeds:
            break
        others = [other.mask for other in kept]
        if not others or iou_matrix([candidate.mask], others).max() <= params.th_iou:
            kept.append(candidate)
    return kept


def group_leaders(frames: Sequence[Detections], params: ProposalParams) -> list[Candidate]:
    """The best candidate of every group; a group links candidates of adjacent frames with mask IoU > `th_iou`.

    So an object that is seen all the time gives one seed, wherever it moves. Leaders that overlap a better one in
    the same frame by more than `th_iou` are left out, too.
    """
    candidates = [frame.candidate(i) for frame in frames for i in range(len(frame))]
    groups = _Groups(len(candidates))
    start = 0
    for before, after in pairwise(frames):
        overlap = iou_matrix(before.masks, after.masks) > params.th_iou
        for i, j in np.argwhere(overlap):
            groups.join(start + int(i), start + len(before) + int(j))
        start += len(before)
    best: dict[int, Candidate] = {}
    for index, candidate in enumerate(candidates):
        root = groups.root(index)
        if root not in best or candidate.score > best[root].score:
            best[root] = candidate
    return _distinct(_sorted(list(best.values())), params)


def unexplained(frames: Sequence[Detections], tubelets: Sequence[Tubelet], params: ProposalParams) -> list[Detections]:
    """Left for the next round: candidates that no tubelet covers in their own frame by more than `th_iou`."""
    return [_without(frame, tubelets, params) for frame in frames]


def _without(frame: Detections, tubelets: Sequence[Tubelet], params: ProposalParams) -> Detections:
    seeds = {id(tubelet.seed.mask) for tubelet in tubelets}
    masks = [mask for tubelet in tubelets if (mask := tubelet.masks[frame.frame]) is not None]
    overlap = iou_matrix(frame.masks, masks)
    covered = overlap.max(axis=1, initial=0) > params.th_iou
    # a seed whose own mask shrank under the box must not come back for ever
    used = np.array([id(mask) in seeds for mask in frame.masks], np.bool_)
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
    """Best first; equal scores by frame and place, so that the order of the input does not matter."""
    return sorted(candidates, key=lambda c: (-c.score, c.frame, tuple(float(x) for x in c.box)))


class _Groups:
    """Union-find over the numbers 0..n-1."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, item: int) -> int:
        while self._parent[item] != item:
            self._parent[item] = self._parent[self._parent[item]]
            item = self._parent[item]
        return item

    def join(self, a: int, b: int) -> None:
        self._parent[self.root(a)] = self.root(b)

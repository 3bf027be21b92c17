"""Stitches tubelets of overlapping chunks to tubelets of the whole video, so that objects keep their identity.

    chunk 1   ├──────────────────┤            chains without a partner end
    chunk 2            ├─────┬────────────┤   pairs of the highest mask IoU over the shared frames
                               └ middle of the shared frames: masks of chunk 1 before it, of chunk 2 from it on

A chain is one object in progress; parts that the next chunk can't change are counted and packed, so memory grows only
with the masks themselves. See docs/method.md, section 8.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.structures.arrays import F64
from service.structures.detections import Detections
from service.structures.masks import Rle, area, iou_matrix
from service.structures.packed_masks import PackedMasks
from service.structures.tubelets import LabeledTubelet, Tubelet, joined
from service.tracking.chunks import Chunk
from service.tracking.labels import Matches, Votes, label_by, matches_of
from service.tracking.params import TubeletParams


@dataclass(frozen=True, slots=True, eq=False)
class ChunkTubelet:
    """An object within one chunk.

    Attributes:
        tubelet: over the chunk's frames, with indices in the video.
        matches: calibrated detections that match its masks.
        number: of its seed, counted from 1 in the order of the chunk's seeds.
    """

    tubelet: Tubelet
    matches: Matches
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """One object in progress.

    Attributes:
        id: counted from 1 in the order in which objects were found: by chunk, then by seed.
        before: the settled parts of tubelets of previous chunks, in order and without gaps.
        votes: statistics over `before`.
        last: part in the latest chunk, starting right after `before`.
    """

    id: int
    before: tuple[Tubelet, ...]
    votes: Votes
    last: ChunkTubelet


def chunk_tubelet(
    number: int, tubelet: Tubelet, calibrated: Sequence[Detections], chunk: Chunk, params: TubeletParams
) -> ChunkTubelet:
    """A chunk's tubelet with its matches, converted to frame indices of the video.

    Args:
        number: of its seed.
        tubelet: with frame indices in the chunk.
        calibrated: candidates of the chunk's frames.
        chunk: its position in the video.
        params: threshold of a match.
    """
    seed = replace(tubelet.seed, frame=tubelet.seed.frame + chunk.first)
    moved = replace(tubelet, seed=seed, start=tubelet.start + chunk.first)
    return ChunkTubelet(moved, matches_of(moved, calibrated, params), number)


def label_in_chunk(part: ChunkTubelet, params: TubeletParams) -> LabeledTubelet:
    """The tubelet with class and score by the chunk's detections; its id is the number of its seed."""
    votes = Votes().with_matches(part.tubelet, part.matches)
    return replace(label_by(votes, part.tubelet, params), id=part.number)


def stitch(
    chains: Sequence[Chain],
    parts: Sequence[ChunkTubelet],
    chunk: Chunk,
    stitch_iou: float,
    ids: Iterator[int],
    given_up: Sequence[int] = (),
) -> tuple[list[Chain], list[Chain]]:
    """Add a chunk; returns the chains that continue, including new objects, and the chains that have ended.

    Chains and parts are matched one to one, the pair with the highest IoU over the shared frames first, down to
    `stitch_iou`.

    Args:
        chains: that continued after the previous chunk.
        parts: of this chunk.
        chunk: its position in the video.
        stitch_iou: minimum IoU of a pair.
        ids: source of ids for new chains.
        given_up: numbers of the chunk's seeds that were not tracked to the end. Each uses an id: it would have been a
            new object that is left out of the result.
    """
    iou = overlap_iou([chain.last.tubelet for chain in chains], [part.tubelet for part in parts], chunk.overlap)
    pairs = _pairs(iou, stitch_iou)
    chain_of = {part: chains[chain] for chain, part in pairs}
    middle = chunk.first + chunk.shared // 2
    new = sorted([*(part.number for place, part in enumerate(parts) if place not in chain_of), *given_up])
    id_of = dict(zip(new, ids, strict=False))
    live = [
        _taken_over(chain_of[place], part, middle)
        if place in chain_of
        else Chain(id_of[part.number], (), Votes(), part)
        for place, part in enumerate(parts)
    ]
    gone_on = {chain for chain, _ in pairs}
    return live, [chain for number, chain in enumerate(chains) if number not in gone_on]


def _pairs(iou: F64, least: float) -> list[tuple[int, int]]:
    """Rows and columns, each once at most, best first.

    Greedy matching suffices: tubelets of one chunk overlap little after NMS, so two rows rarely compete for a column.
    """
    taken: list[tuple[int, int]] = []
    for flat in np.argsort(-iou, axis=None, kind="stable"):
        row, column = divmod(int(flat), iou.shape[1])
        if iou[row, column] < least or iou[row, column] == 0:
            break
        if all(row != r and column != c for r, c in taken):
            taken.append((row, column))
    return taken


def overlap_iou(a: Sequence[Tubelet], b: Sequence[Tubelet], frames: range) -> F64:
    """Spatio-temporal mask IoU of every pair over some frames, (A, B): sum of intersections over sum of unions."""
    intersection, union = np.zeros((len(a), len(b))), np.zeros((len(a), len(b)))
    for t in frames:
        iou, total = _of_frame([tubelet.mask_at(t) for tubelet in a], [tubelet.mask_at(t) for tubelet in b])
        # intersection = iou * union, and union = (areas) / (1 + iou)
        here = total / (1 + iou)
        intersection += iou * here
        union += here
    shares = np.zeros_like(union)
    np.divide(intersection, union, out=shares, where=union > 0)
    return shares


def finish_chain(chain: Chain, params: TubeletParams) -> LabeledTubelet:
    """The object's tubelet, with class and score from all of its matches."""
    tubelet = chain.last.tubelet
    votes = chain.votes.with_matches(tubelet, chain.last.matches)
    return replace(label_by(votes, joined([*chain.before, tubelet]), params), id=chain.id)


def pack(item: LabeledTubelet) -> LabeledTubelet:
    """The same tubelet, using less memory."""
    return replace(item, tubelet=replace(item.tubelet, masks=PackedMasks(item.tubelet.masks)))


def _taken_over(chain: Chain, part: ChunkTubelet, middle: int) -> Chain:
    """The chain, with its last part up to frame `middle` and the new part from there on."""
    tubelet, matches = chain.last.tubelet, chain.last.matches
    settled = tubelet.part(tubelet.start, middle)
    votes = chain.votes.with_matches(settled, {t: found for t, found in matches.items() if t < middle})
    rest = part.tubelet.part(middle, part.tubelet.end)
    last = replace(part, tubelet=rest, matches={t: found for t, found in part.matches.items() if t >= middle})
    return Chain(chain.id, (*chain.before, replace(settled, masks=PackedMasks(settled.masks))), votes, last)


def _of_frame(a: Sequence[Rle | None], b: Sequence[Rle | None]) -> tuple[F64, F64]:
    """IoU and sum of the two areas of every pair in one frame, (A, B) each; an absent mask has area 0."""
    iou = np.zeros((len(a), len(b)))
    rows, columns = ([i for i, mask in enumerate(masks) if mask is not None] for masks in (a, b))
    there = ([mask for mask in masks if mask is not None] for masks in (a, b))
    iou[np.ix_(rows, columns)] = iou_matrix(*there)
    areas = [np.array([0 if mask is None else area(mask) for mask in masks], np.float64) for masks in (a, b)]
    return iou, np.add.outer(*areas)

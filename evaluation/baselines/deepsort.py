"""Baseline: DeepSORT on the detections, implemented from the published method (Wojke, Bewley, Paulus, ICIP 2017).

Adapted to video instance segmentation: detections come from the calibrated candidates, a tubelet is the union of a
track's matched masks, and frames without a match stay empty. The whole video is available, so a track that is confirmed
late includes its first hits, too; by default it is confirmed at once (`n_init` 1), because there are few frames.
`evaluation.baselines.appearance` replaces the published appearance network, which was trained on persons only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Interval
from scipy.optimize import linear_sum_assignment

from service.structures.arrays import F32, F64
from service.structures.boxes import iou_matrix
from service.structures.detections import Candidate, Detections
from service.structures.masks import Rle
from service.structures.parameter import Parameter, Share, check_ranges
from service.structures.tubelets import Tubelet

Appearance = Literal["f4", "box_head", "both"]
"""See `evaluation.baselines.appearance.appearance`."""
GATE = 9.4877
"""95 % quantile of chi-square with 4 degrees of freedom."""
INFEASIBLE = 1e5
BARELY = 1e-5
"""Margin of a forbidden pair's cost over the highest allowed one: no good pair is given up for two poor ones."""


@dataclass(frozen=True, slots=True)
class DeepSortParams:
    """Parameters as published, except `n_init` (published: 3) and `min_score` (here the detector's threshold).

    Attributes:
        n_init: a track with a miss before it is confirmed is dropped.
    """

    max_age: Annotated[int, Ge(0), Parameter("Consecutive frames without a match after which a track ends.")] = 30
    max_cosine: Annotated[float, Interval(ge=0, le=2), Parameter("Maximum cosine distance of a match.")] = 0.2
    max_iou_distance: Annotated[Share, Parameter("Maximum IoU distance (1 - IoU) of a match.")] = 0.7
    n_init: Annotated[int, Ge(1), Parameter("Consecutive matches that confirm a track.")] = 1
    min_score: Annotated[Share, Parameter("Minimum score of a calibrated detection to be tracked.")] = 0.2
    appearance: Annotated[Appearance, Parameter("Appearance feature by which detections are compared.")] = "f4"

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(slots=True)
class _Track:
    """An active track; `misses` counts frames since its last match."""

    mean: F64
    covariance: F64
    hits: list[Candidate]
    gallery: list[F32]
    misses: int = 0


@dataclass(slots=True)
class _Tracks:
    alive: list[_Track] = field(default_factory=list)
    ended: list[_Track] = field(default_factory=list)


def deepsort(
    frames: Sequence[Detections], appearances: Sequence[F32], params: DeepSortParams | None = None
) -> list[Tubelet]:
    """Detections of every frame and their appearances (N, C) -> tubelets."""
    params = params or DeepSortParams()
    tracks = _Tracks()
    for detections, features in zip(frames, appearances, strict=True):
        sure = np.flatnonzero(detections.scores >= params.min_score).astype(np.int64)
        _step(tracks, detections.select(sure), features[sure], params)
    confirmed = [track for track in tracks.alive if _confirmed(track, params)]
    return [_tubelet(track, len(frames)) for track in (*tracks.ended, *confirmed)]


def _step(tracks: _Tracks, detections: Detections, features: F32, params: DeepSortParams) -> None:
    for track in tracks.alive:
        track.mean, track.covariance = _predict(track.mean, track.covariance)
        track.misses += 1
    measured = _measurements(detections.boxes)
    matched = _match(tracks.alive, detections, measured, features, params)
    for track, index in matched:
        track.mean, track.covariance = _update(track.mean, track.covariance, measured[index])
        track.hits.append(detections.candidate(index))
        track.gallery.append(features[index])
        track.misses = 0
    taken = {index for _, index in matched}
    tracks.ended += [track for track in tracks.alive if _confirmed(track, params) and track.misses > params.max_age]
    tracks.alive = [
        track for track in tracks.alive if track.misses <= (params.max_age if _confirmed(track, params) else 0)
    ]
    for index in range(len(detections)):
        if index not in taken:
            mean, covariance = _initiate(measured[index])
            tracks.alive.append(_Track(mean, covariance, [detections.candidate(index)], [features[index]]))


def _confirmed(track: _Track, params: DeepSortParams) -> bool:
    # a track with fewer hits is dropped at its first miss, so its hits are consecutive
    return len(track.hits) >= params.n_init


def _match(
    tracks: Sequence[_Track], detections: Detections, measured: F64, features: F32, params: DeepSortParams
) -> list[tuple[_Track, int]]:
    """Match confirmed tracks by appearance, most recent first; then tentative ones and those missed once by IoU."""
    free = list(range(len(detections)))
    matched: list[tuple[_Track, int]] = []
    for age in range(1, params.max_age + 1):
        level = [track for track in tracks if track.misses == age and _confirmed(track, params)]
        found = _assign(_appearance_cost(level, measured[free], features[free], params), params.max_cosine)
        matched += [(level[row], free[column]) for row, column in found]
        free = _without(free, [column for _, column in found])
    left = [track for track in tracks if track.misses == 1 and all(track is not done for done, _ in matched)]
    cost = 1 - iou_matrix(_boxes(left), detections.boxes[free])
    found = _assign(cost, params.max_iou_distance)
    return matched + [(left[row], free[column]) for row, column in found]


def _without(items: list[int], positions: list[int]) -> list[int]:
    return [item for position, item in enumerate(items) if position not in positions]


def _assign(cost: F64 | F32, most: float) -> list[tuple[int, int]]:
    """Hungarian assignment on a cost matrix; pairs with a cost above `most` are dropped."""
    if not cost.size:
        return []
    rows, columns = linear_sum_assignment(np.minimum(cost, most + BARELY))
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if cost[r, c] <= most]


def _appearance_cost(tracks: Sequence[_Track], measured: F64, features: F32, params: DeepSortParams) -> F64:
    """Smallest cosine distance to a track's gallery, infeasible outside the Mahalanobis gate: (tracks, boxes)."""
    cost = np.full((len(tracks), len(measured)), INFEASIBLE)
    for row, track in enumerate(tracks):
        if len(measured):
            cosine = 1 - (np.stack(track.gallery) @ features.T).max(axis=0)
            inside = _gating_distance(track.mean, track.covariance, measured) <= GATE
            cost[row] = np.where(inside & (cosine <= params.max_cosine), cosine, INFEASIBLE)
    return cost


def _measurements(boxes: F32) -> F64:
    """(N, 4) x1 y1 x2 y2 -> (N, 4) center x, center y, aspect w/h, height."""
    wide, high = boxes[:, 2] - boxes[:, 0], np.maximum(boxes[:, 3] - boxes[:, 1], 1e-3)
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.stack([centers[:, 0], centers[:, 1], wide / high, high], axis=1).astype(np.float64)


def _boxes(tracks: Sequence[_Track]) -> F32:
    state = np.array([track.mean[:4] for track in tracks], np.float32).reshape(-1, 4)
    half = np.stack([state[:, 2] * state[:, 3], state[:, 3]], axis=1) / 2
    return np.concatenate([state[:, :2] - half, state[:, :2] + half], axis=1)


# Kalman filter with constant velocity; standard deviations relative to the height, as published.


def _initiate(measured: F64) -> tuple[F64, F64]:
    h = measured[3]
    deviation = [h / 10, h / 10, 1e-2, h / 10, h / 16, h / 16, 1e-5, h / 16]
    return np.concatenate([measured, np.zeros(4)]), np.diag(np.square(deviation))


def _predict(mean: F64, covariance: F64) -> tuple[F64, F64]:
    h = mean[3]
    motion = np.eye(8) + np.eye(8, k=4)
    noise = np.diag(np.square([h / 20, h / 20, 1e-2, h / 20, h / 160, h / 160, 1e-5, h / 160]))
    return motion @ mean, motion @ covariance @ motion.T + noise


def _project(mean: F64, covariance: F64) -> tuple[F64, F64]:
    h = mean[3]
    noise = np.diag(np.square([h / 20, h / 20, 1e-1, h / 20]))
    return mean[:4], covariance[:4, :4] + noise


def _update(mean: F64, covariance: F64, measured: F64) -> tuple[F64, F64]:
    projected, spread = _project(mean, covariance)
    gain = np.linalg.solve(spread, covariance[:4]).T
    return mean + gain @ (measured - projected), covariance - gain @ spread @ gain.T


def _gating_distance(mean: F64, covariance: F64, measured: F64) -> F64:
    """Squared Mahalanobis distance of each measurement, (N,)."""
    projected, spread = _project(mean, covariance)
    difference = measured - projected
    distance: F64 = np.einsum("ni,ni->n", difference, np.linalg.solve(spread, difference.T).T)
    return distance


def _tubelet(track: _Track, length: int) -> Tubelet:
    masks: list[Rle | None] = [None] * length
    boxes, scores = np.zeros((length, 4), np.float32), np.zeros(length, np.float32)
    for hit in track.hits:
        masks[hit.frame], boxes[hit.frame], scores[hit.frame] = hit.mask, hit.box, hit.score
    return Tubelet(max(track.hits, key=lambda hit: hit.score), tuple(masks), boxes, scores)

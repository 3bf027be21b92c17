"""Class calibration over a whole video (docs/method.md, section 3).

The pipeline calibrates each chunk separately; "video" here means the frames passed to `calibrate`.

An object appears in many frames, a false class in few. A class with a low average score over the video is therefore
unreliable, and its scores are multiplied by beta in every candidate. The paper does not define the average; five
readings of it, A1 to A5, are values of `Estimator`. A6, the default, is ours; it does not depend on the video's length.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from service.calibration.params import CalibrationParams
from service.structures.arrays import F32, F64, Bool
from service.structures.detections import Detections


def calibrate(frames: Sequence[Detections], params: CalibrationParams) -> list[Detections]:
    """Re-weight the class vectors of all candidates, and drop candidates that are below `th_key` then.

    Args:
        frames: one entry per frame of the video, in order.
        params: estimator, thresholds, beta.

    Returns:
        The same frames. Videos shorter than `min_frames` are unchanged.
    """
    if len(frames) < params.min_frames or not any(len(frame) for frame in frames):
        return list(frames)
    averages = class_averages(frames, params)
    weights = np.where(reliable_classes(averages, params), 1.0, params.beta).astype(np.float32)
    return [_reweight(frame, weights, params) for frame in frames]


def class_averages(frames: Sequence[Detections], params: CalibrationParams) -> F32:
    """Average score of each class over the video, (K,), by `params.estimator`.

    `all_candidates` (A1): mean of p over all candidates. `predicted_only` (A2): mean score of the candidates with this
    label. `top1_over_all` (A3): the same sum, divided by the number of all candidates.
    `frame_max` (A4): mean over frames of the frame's highest score. `topk_frames` (A5): mean of the k highest of
    these. `best_window` (A6): the highest mean of these over any `window` consecutive frames.
    """
    probs = np.concatenate([frame.probs for frame in frames])
    match params.estimator:
        case "all_candidates":
            averages = probs.mean(axis=0)
        case "predicted_only" | "top1_over_all":
            averages = _top1_average(probs, over_all=params.estimator == "top1_over_all")
        case "frame_max":
            averages = _frame_maxima(frames).mean(axis=0)
        case "topk_frames":
            highest = np.sort(_frame_maxima(frames), axis=0)[::-1][: params.topk]
            averages = highest.mean(axis=0)
        case "best_window":
            averages = _window_means(_frame_maxima(frames), params.window).max(axis=0)
    result: F32 = averages.astype(np.float32)
    return result


def reliable_classes(averages: F32, params: CalibrationParams) -> Bool:
    """(K,) -> (K,): averages above `th_cc`; if there are none, the highest one."""
    reliable: Bool = averages > params.th_cc
    if not reliable.any():
        reliable = np.arange(len(averages)) == averages.argmax()
    return reliable


def _top1_average(probs: F32, *, over_all: bool) -> F32:
    best = probs.argmax(axis=1)
    sums = np.bincount(best, weights=probs.max(axis=1), minlength=probs.shape[1])
    counts = np.full(probs.shape[1], len(probs)) if over_all else np.bincount(best, minlength=probs.shape[1])
    averages = np.zeros(probs.shape[1], np.float64)
    np.divide(sums, counts, out=averages, where=counts > 0)
    return averages.astype(np.float32)


def _frame_maxima(frames: Sequence[Detections]) -> F32:
    """(T, K): highest score of each class in each frame, 0 in empty frames."""
    return np.stack([frame.probs.max(axis=0, initial=0) for frame in frames]).astype(np.float32)


def _window_means(maxima: F32, window: int) -> F64:
    """(T, K) -> (N, K): mean of every `window` consecutive rows; of all rows if there are fewer."""
    length = min(window, len(maxima))
    sums = np.cumsum(np.concatenate([np.zeros((1, maxima.shape[1])), maxima]), axis=0, dtype=np.float64)
    means: F64 = (sums[length:] - sums[:-length]) / length
    return means


def _reweight(frame: Detections, weights: F32, params: CalibrationParams) -> Detections:
    probs = frame.probs * weights
    if not params.relabel and len(frame):
        # keep the label: no class may exceed the raw best one
        own = probs[np.arange(len(frame)), frame.labels]
        probs = np.minimum(probs, own[:, None])
        probs[np.arange(len(frame)), frame.labels] = np.nextafter(own, np.float32(np.inf))
    weighted = replace(frame, probs=probs.astype(np.float32))
    return weighted.select(np.flatnonzero(weighted.scores >= params.th_key).astype(np.int64))

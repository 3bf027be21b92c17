"""The rows of the paper's Table 2 on the same cached detections: `ipdt`, `pixel`, `deepsort`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from evaluation.deepsort import DeepSortParams, deepsort
from evaluation.remembered import Remembered, remember
from service.calibration.class_calibration import calibrate
from service.pipeline.params import PipelineParams
from service.pipeline.run import Run, detect_all, finish, seed_tracker, track_all
from service.pipeline.vocabulary import Vocabulary
from service.structures.arrays import F32
from service.structures.detections import Detections
from service.structures.masks import decode
from service.structures.tubelets import LabelledTubelet
from service.tracking.windows import crop_mask

Method = Literal["ipdt", "pixel", "deepsort"]
FEATURE_STRIDE = 4


async def run_method(
    run: Run,
    method: Method,
    vocabulary: Vocabulary,
    kept: Remembered | None = None,
    sort: DeepSortParams | None = None,
) -> list[LabelledTubelet]:
    """Tubelets of one video with labels that index `vocabulary.category_ids`. Best first.

    Args:
        run: the video.
        method: a row of the table.
        vocabulary: from the detector's classes to the data set's categories.
        kept: of earlier runs on the same clip.
        sort: DeepSORT's own parameters.
    """
    kept = kept or remember(run)
    detections = await detect_all(run, kept.features)
    calibrated = calibrated_detections(run, detections, vocabulary)
    if method == "deepsort":
        appearances = [await _appearance(frame, run, kept) for frame in calibrated]
        # no mask is propagated, so frames without a match must not count against the score (E1s)
        params = replace(run.params.tubelets, score="matched_skip")
        return finish(deepsort(calibrated, appearances, sort), calibrated, params)
    own = replace(run, params=_params(run, method))
    tubelets = await track_all(own, calibrated, seed_tracker(own, detections, kept.features))
    return finish(tubelets, calibrated, run.params.tubelets)


def calibrated_detections(run: Run, detections: Sequence[Detections], vocabulary: Vocabulary) -> list[Detections]:
    """Candidates by frame, over the data set's categories, after calibration."""
    threshold = run.params.detector.th_det
    projected = [vocabulary.project(frame, threshold) for frame in detections]
    return calibrate(projected, run.params.calibration)


def _params(run: Run, method: Method) -> PipelineParams:
    if method == "ipdt":
        return run.params
    fusion = replace(run.params.tracker.fusion, kind="none")
    return replace(run.params, tracker=replace(run.params.tracker, fusion=fusion))


async def _appearance(detections: Detections, run: Run, kept: Remembered) -> F32:
    """L2-normalised mean of f4 over each mask: (N, C4)."""
    f4 = (await kept.features.get(detections.frame)).f4[0]
    keys = [(detections.frame, mask.counts) for mask in detections.masks]
    for index, key in enumerate(keys):
        if key not in kept.appearances:
            kept.appearances[key] = _mean_feature(f4, index, detections, run)
    return np.stack([kept.appearances[key] for key in keys]) if keys else np.zeros((0, f4.shape[0]), np.float32)


def _mean_feature(f4: F32, index: int, detections: Detections, run: Run) -> F32:
    height, width = (side // FEATURE_STRIDE for side in run.canvas.padded_hw)
    scale_y, scale_x = (n / f for n, f in zip(run.canvas.network_hw, run.canvas.frame_hw, strict=True))
    side = max(height, width)
    window = np.array([0, 0, side / scale_x, side / scale_y], np.float32) * FEATURE_STRIDE
    weight = crop_mask(decode(detections.masks[index]), window, side)[:height, :width]
    total = float(weight.sum())
    mean = (f4 * weight).sum(axis=(1, 2)) / total if total > 0 else f4.mean(axis=(1, 2))
    unit: F32 = (mean / max(float(np.linalg.norm(mean)), 1e-6)).astype(np.float32)
    return unit


def records(
    labelled: Sequence[LabelledTubelet], video_id: int, vocabulary: Vocabulary, frames: Sequence[int]
) -> list[dict[str, object]]:
    """YouTube-VIS records of the annotated `frames`; tubelets without a mask there are left out."""
    kept = []
    for item in labelled:
        masks = [item.tubelet.mask_at(t) for t in frames]
        if any(mask is not None for mask in masks):
            kept.append(
                {
                    "video_id": video_id,
                    "category_id": vocabulary.category_ids[item.label],
                    "score": item.score,
                    "segmentations": [None if mask is None else mask.json() for mask in masks],
                }
            )
    return kept

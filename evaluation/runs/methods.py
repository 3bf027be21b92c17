"""The methods of the paper's Table 2, on the same cached detections: `ipdt`, `pixel`, `deepsort`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from evaluation.baselines.appearance import appearance
from evaluation.baselines.deepsort import DeepSortParams, deepsort
from evaluation.data.remembered import Remembered, remember
from service.calibration.class_calibration import calibrate
from service.pipeline.categories.vocabulary import Vocabulary
from service.pipeline.parameters.params import PipelineParams
from service.pipeline.run import Run, detect_all, forecast_of, seed_tracker
from service.pipeline.tracks.rounds import track_all
from service.structures.detections import Detections
from service.structures.tubelets import LabeledTubelet, Tubelet
from service.tracking.confidence import with_confidence
from service.tracking.labels import label_tubelet
from service.tracking.params import TubeletParams
from service.tracking.score_threshold import at_least
from service.tracking.tubelet_nms import suppress

Method = Literal["ipdt", "pixel", "deepsort"]


async def run_method(
    run: Run,
    method: Method,
    vocabulary: Vocabulary,
    kept: Remembered | None = None,
    sort: DeepSortParams | None = None,
) -> list[LabeledTubelet]:
    """Tubelets of one video, best first; labels index `vocabulary.category_ids`.

    Args:
        run: the video.
        method: a row of the table.
        vocabulary: maps the detector's classes to the dataset's categories.
        kept: data of earlier runs on the same clip.
        sort: DeepSORT's parameters.
    """
    kept = kept or remember(run)
    detections = await detect_all(run, kept.features)
    calibrated = calibrated_detections(run, detections, vocabulary)
    if method == "deepsort":
        sort = sort or DeepSortParams()
        appearances = [
            await appearance(sort.appearance, frame, raw, run, kept)
            for frame, raw in zip(calibrated, detections, strict=True)
        ]
        # DeepSORT propagates no masks, so frames without a match must not lower the score (E1s,
        # docs/method.md, section 6)
        params = replace(run.tubelet_params, score="matched_skip")
        return finish(deepsort(calibrated, appearances, sort), calibrated, params)
    own = replace(run, params=_params(run, method))
    forecast = forecast_of(own, detections)
    tracker = seed_tracker(own, detections, kept.features, forecast)
    tracked = await track_all(calibrated, own.params.proposals, tracker, forecast, own.report_share)
    return finish(tracked.tubelets, calibrated, run.tubelet_params)


def calibrated_detections(run: Run, detections: Sequence[Detections], vocabulary: Vocabulary) -> list[Detections]:
    """Candidates by frame, mapped to the dataset's categories and calibrated."""
    threshold = run.params.detector.th_det
    projected = [vocabulary.project(frame, threshold) for frame in detections]
    return calibrate(projected, run.params.calibration)


def finish(
    tubelets: Sequence[Tubelet], calibrated: Sequence[Detections], params: TubeletParams
) -> list[LabeledTubelet]:
    """Label, score and compare the tubelets, and apply tubelet NMS and `min_score`.

    Best first, without tubelets that have no mask.
    """
    labeled = [label_tubelet(tubelet, calibrated, params) for tubelet in tubelets if tubelet.frames]
    return at_least(suppress(with_confidence(labeled), params), params.min_score)


def _params(run: Run, method: Method) -> PipelineParams:
    if method == "ipdt":
        return run.params
    fusion = replace(run.params.tracker.fusion, kind="none")
    return replace(run.params, tracker=replace(run.params.tracker, fusion=fusion))


def records(
    labeled: Sequence[LabeledTubelet], video_id: int, vocabulary: Vocabulary, frames: Sequence[int]
) -> list[dict[str, object]]:
    """YouTube-VIS records over the annotated `frames`, one per tubelet; tubelets without a mask there are omitted.

    A further member, `classes`, has category id and score of all classes; `evaluation.metrics.ytvis.per_class` makes a
    record of each.
    """
    kept = []
    for item in labeled:
        masks = [item.tubelet.mask_at(t) for t in frames]
        if any(mask is not None for mask in masks):
            kept.append(
                {
                    "video_id": video_id,
                    "category_id": vocabulary.category_ids[item.label],
                    "score": item.score,
                    "classes": [[vocabulary.category_ids[label], score] for label, score in item.classes],
                    "segmentations": [None if mask is None else mask.json() for mask in masks],
                }
            )
    return kept

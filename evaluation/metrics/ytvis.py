"""YouTube-VIS metrics by trackeval (the fork on PyPI matches the official tool), computed per clip.

`match_clip` compares one clip's tubelets with its annotations. Its small, JSON-serializable record is the input of
`figures`, which computes metrics over any set of clips: all of them, one stratum, a bootstrap sample.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np

from evaluation.data.dataset import AnnotatedVideo, Dataset, Document

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
ANY_CLASS = "any"
"""Name of the single class of the class-agnostic metrics."""
HIT, MISS, IGNORED = 1, 0, -1


def match_clips(dataset: Dataset, videos: Iterable[AnnotatedVideo], results: Sequence[Document]) -> list[Document]:
    """`match_clip` of each video, in order.

    Args:
        dataset: the annotations.
        videos: to evaluate.
        results: YouTube-VIS records of these videos; `segmentations` as long as the video's `file_names`.
    """
    return [
        match_clip(video, dataset.annotations_of(video), [r for r in results if r["video_id"] == video.id])
        for video in videos
    ]


def match_clip(video: AnnotatedVideo, annotations: Sequence[Document], results: Sequence[Document]) -> Document:
    """`video_id, name, classes`: the matches of one clip by category id (as text), and for `any`.

    Matches: `scores` of the class's tubelets, best first; `hits`, for each of `IOU_THRESHOLDS` a row of 1 (hit), 0
    (miss) and -1 (ignored, in a crowd); `truths`, the number of annotated instances without crowds.
    """
    ids = sorted({item["category_id"] for item in (*annotations, *results)})
    classes = {str(i): _matches(_of_class(annotations, i), _of_class(results, i)) for i in ids}
    return {
        "video_id": video.id,
        "name": video.name,
        "classes": {**classes, ANY_CLASS: _matches(annotations, results)},
    }


def _of_class(items: Sequence[Document], category_id: int) -> list[Document]:
    return [item for item in items if item["category_id"] == category_id]


def _matches(annotations: Sequence[Document], results: Sequence[Document]) -> Document:
    ordered = sorted(results, key=lambda item: -item["score"])
    crowds = [bool(item.get("iscrowd", 0)) for item in annotations]
    if not annotations and not results:
        return {"scores": [], "hits": [[] for _ in IOU_THRESHOLDS], "truths": 0}
    # ids start at 1: trackeval treats a match with id 0 as no match
    outcome = _track_map(0).eval_sequence(
        {
            "gt_track_ids": list(range(1, len(annotations) + 1)),
            "gt_tracks": [_frames(item) for item in annotations],
            "gt_track_iscrowd": crowds,
            "dt_track_ids": list(range(1, len(ordered) + 1)),
            "dt_tracks": [_frames(item) for item in ordered],
            "dt_track_scores": [item["score"] for item in ordered],
            "iou_type": "mask",
        }
    )[0]
    hits = np.where(outcome["dt_ignore"], IGNORED, np.where(outcome["dt_matches"] > 0, HIT, MISS))
    return {
        "scores": [float(item["score"]) for item in ordered],
        "hits": hits.astype(int).tolist(),
        "truths": len(crowds) - sum(crowds),
    }


def _frames(item: Document) -> dict[int, Document]:
    """Masks by position in the annotated frames."""
    return {t: rle for t, rle in enumerate(item["segmentations"]) if rle}


def figures(clips: Sequence[Document]) -> dict[str, float]:
    """AP, AP50, AP75, AR1, AR10, class-agnostic AP and AP50; all in [0, 1], over the classes that occur.

    Args:
        clips: records of `match_clip`; a clip may occur several times.
    """
    names = {name for clip in clips for name, found in clip["classes"].items() if found["truths"]} - {ANY_CLASS}
    averages = {cap: [_average(clips, name, cap) for name in sorted(names)] for cap in (100, 10, 1)}
    precision = _mean_of([found[0] for found in averages[100]])
    one_class = _average(clips, ANY_CLASS, 100)[0]
    return {
        "AP": float(precision.mean()),
        "AP50": float(precision[0]),
        "AP75": float(precision[5]),
        "AR1": float(_mean_of([found[1] for found in averages[1]]).mean()),
        "AR10": float(_mean_of([found[1] for found in averages[10]]).mean()),
        "AP_agnostic": float(one_class.mean()),
        "AP50_agnostic": float(one_class[0]),
    }


def _average(clips: Sequence[Document], name: str, cap: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """AP and AR of one class at the ten thresholds, with at most `cap` tubelets per clip; zeros if it never occurs."""
    found = [clip["classes"][name] for clip in clips if name in clip["classes"]]
    if not sum(item["truths"] for item in found):
        return np.zeros(len(IOU_THRESHOLDS)), np.zeros(len(IOU_THRESHOLDS))
    outcome = _track_map(cap).combine_sequences({number: {0: _sequence(item)} for number, item in enumerate(found)})
    return outcome["AP_all"], outcome["AR_all"]


def _sequence(found: Document) -> Document:
    """The record of a clip and class in trackeval's form."""
    hits = np.array(found["hits"], np.int64).reshape(len(IOU_THRESHOLDS), -1)
    return {
        "dt_scores": np.array(found["scores"], np.float64),
        "dt_matches": np.where(hits == HIT, 1, -1),
        "dt_ignore": hits == IGNORED,
        "gt_ignore": np.zeros(found["truths"]),
    }


def _mean_of(rows: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    return np.mean(rows, axis=0) if rows else np.zeros(len(IOU_THRESHOLDS))


@cache
def _track_map(cap: int) -> Any:
    import trackeval  # noqa: PLC0415 (slow to import, and only evaluation needs it)

    return trackeval.metrics.TrackMAP(
        {
            "USE_AREA_RANGES": False,
            "USE_TIME_RANGES": False,
            "IOU_THRESHOLDS": IOU_THRESHOLDS,
            "MAX_DETECTIONS": cap,
            "PRINT_CONFIG": False,
        }
    )

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
SINGLE = "_single"
"""Ending of the names of metrics in which a tubelet counts for its own class only."""
HIT, MISS, IGNORED = 1, 0, -1


def match_clips(dataset: Dataset, videos: Iterable[AnnotatedVideo], results: Sequence[Document]) -> list[Document]:
    """`match_clip` of each video, in order.

    Args:
        dataset: the annotations.
        videos: to evaluate.
        results: YouTube-VIS records of these videos, one per tubelet, with further classes in `classes` (`per_class`);
            `segmentations` as long as the video's `file_names`.
    """
    return [
        match_clip(video, dataset.annotations_of(video), [r for r in results if r["video_id"] == video.id])
        for video in videos
    ]


def match_clip(video: AnnotatedVideo, annotations: Sequence[Document], results: Sequence[Document]) -> Document:
    """`video_id, name, classes, single`: the matches of one clip by category id (as text), and for `any`.

    In `classes` a tubelet counts for each of its classes, for `any` once; in `single` for its own class only.
    Matches: `scores` of the class's tubelets, best first; `hits`, for each of `IOU_THRESHOLDS` a row of 1 (hit), 0
    (miss) and -1 (ignored, in a crowd); `truths`, the number of annotated instances without crowds.
    """
    return {
        "video_id": video.id,
        "name": video.name,
        "classes": {**_by_class(annotations, per_class(results)), ANY_CLASS: _matches(annotations, results)},
        "single": _by_class(annotations, results),
    }


def per_class(results: Iterable[Document]) -> list[Document]:
    """One record per tubelet, with `classes` -> YouTube-VIS records, one per tubelet and class."""
    found: list[Document] = []
    for record in results:
        own = {name: value for name, value in record.items() if name != "classes"}
        classes = record.get("classes", [(record["category_id"], record["score"])])
        found += [{**own, "category_id": category_id, "score": score} for category_id, score in classes]
    return found


def _by_class(annotations: Sequence[Document], results: Sequence[Document]) -> dict[str, Document]:
    ids = sorted({item["category_id"] for item in (*annotations, *results)})
    return {str(i): _matches(_of_class(annotations, i), _of_class(results, i)) for i in ids}


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

    AP_single and AP50_single count each tubelet for its own class only; missing if a clip has no `single`.

    Args:
        clips: records of `match_clip`; a clip may occur several times.
    """
    precision, recalls = _precision(clips, "classes")
    one_class = _average(clips, "classes", ANY_CLASS, 100)[0]
    found = {
        "AP": precision,
        "AP50": precision[0],
        "AP75": precision[5],
        **recalls,
        "AP_agnostic": one_class,
        "AP50_agnostic": one_class[0],
    }
    if all("single" in clip for clip in clips):
        single, _ = _precision(clips, "single", caps=())
        found |= {f"AP{SINGLE}": single, f"AP50{SINGLE}": single[0]}
    return {name: float(np.mean(value)) for name, value in found.items()}


def _precision(clips: Sequence[Document], kind: str, caps: Sequence[int] = (1, 10)) -> tuple[Any, dict[str, Any]]:
    """AP at the ten thresholds, (10,), and AR with at most `caps` tubelets per class and clip, by name."""
    names = sorted({name for clip in clips for name, found in clip[kind].items() if found["truths"]} - {ANY_CLASS})
    precision = _mean_of([_average(clips, kind, name, 100)[0] for name in names])
    return precision, {f"AR{cap}": _mean_of([_average(clips, kind, name, cap)[1] for name in names]) for cap in caps}


def _average(
    clips: Sequence[Document], kind: str, name: str, cap: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """AP and AR of one class at the ten thresholds, with at most `cap` tubelets per clip; zeros if it never occurs."""
    found = [clip[kind][name] for clip in clips if name in clip[kind]]
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

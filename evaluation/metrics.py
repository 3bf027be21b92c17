"""YouTube-VIS metrics by trackeval (its fork on PyPI gives the official tool's numbers)."""

import contextlib
import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.dataset import Dataset
from service.structures.masks import decode, from_json

Document = dict[str, Any]
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
ANY_CLASS = 1


def tubelet_metrics(dataset: Dataset, video_ids: Sequence[int], results: Sequence[Document]) -> dict[str, float]:
    """AP, AP50, AP75, AR1, AR10, and AP, AP50 with one class on both sides; all in 0..1.

    Args:
        dataset: the annotations.
        video_ids: the videos that count.
        results: YouTube-VIS records of these videos; `segmentations` as long as the video's `file_names`.
    """
    truth = _ground_truth(dataset, set(video_ids))
    averages = {cap: _average_precision(truth, results, cap) for cap in (100, 10, 1)}
    one_class = _average_precision(_one_class(truth), [{**r, "category_id": ANY_CLASS} for r in results], 100)
    precision = averages[100][0]
    return {
        "AP": _mean(precision),
        "AP50": float(precision[0]),
        "AP75": float(precision[5]),
        "AR1": _mean(averages[1][1]),
        "AR10": _mean(averages[10][1]),
        "AP_agnostic": _mean(one_class[0]),
        "AP50_agnostic": float(one_class[0][0]),
    }


def _mean(values: np.ndarray[Any, Any]) -> float:
    return float(np.mean(values))


def _ground_truth(dataset: Dataset, video_ids: set[int]) -> Document:
    """Trackeval wants uncompressed RLE, and every annotation's areas and size."""
    annotations = [_uncompressed(item) for item in dataset.annotations if item["video_id"] in video_ids]
    present = {item["category_id"] for item in annotations}
    return {
        "videos": [video.record for video in dataset.videos if video.id in video_ids],
        "categories": [{"id": i, "name": name} for i, name in dataset.categories.items() if i in present],
        "annotations": annotations,
    }


def _uncompressed(annotation: Document) -> Document:
    masks = [None if rle is None else decode(from_json(rle)) for rle in annotation["segmentations"]]
    height, width = next((mask.shape for mask in masks if mask is not None), (0, 0))
    return {
        **annotation,
        "height": height,
        "width": width,
        "iscrowd": annotation.get("iscrowd", 0),
        "areas": [None if mask is None else int(mask.sum()) for mask in masks],
        "segmentations": [None if mask is None else _run_lengths(mask) for mask in masks],
    }


def _run_lengths(mask: np.ndarray[Any, Any]) -> Document:
    """Mask (H, W) -> COCO's uncompressed RLE: lengths of the runs in column-major order, zeros first."""
    flat = np.concatenate([[False], mask.flatten(order="F")])
    changes = np.flatnonzero(np.diff(flat))
    counts = np.diff(np.concatenate([[0], changes, [mask.size]]))
    return {"size": list(mask.shape), "counts": [int(n) for n in counts]}


def _one_class(truth: Document) -> Document:
    annotations = [{**item, "category_id": ANY_CLASS} for item in truth["annotations"]]
    return {**truth, "categories": [{"id": ANY_CLASS, "name": "object"}], "annotations": annotations}


def _average_precision(
    truth: Document, results: Sequence[Document], cap: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """AP and AR at the ten IoU thresholds, averaged over classes, with at most `cap` results per video and class."""
    if not results:
        return np.zeros(len(IOU_THRESHOLDS)), np.zeros(len(IOU_THRESHOLDS))
    import trackeval  # noqa: PLC0415 (slow to import, and only evaluation needs it)

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        _write(Path(folder) / "gt" / "youtube_vis_eval" / "truth.json", truth)
        _write(Path(folder) / "results" / "youtube_vis_eval" / "dualtrack" / "data" / "results.json", list(results))
        dataset = trackeval.datasets.YouTubeVIS(
            {
                "GT_FOLDER": f"{folder}/gt/",
                "TRACKERS_FOLDER": f"{folder}/results/",
                "SPLIT_TO_EVAL": "eval",
                "OUTPUT_FOLDER": f"{folder}/out",
                "PRINT_CONFIG": False,
            }
        )
        metric = trackeval.metrics.TrackMAP(
            {
                "USE_TIME_RANGES": False,
                "AREA_RANGES": [[0, 128**2], [128**2, 256**2], [256**2, 1e10]],
                "IOU_THRESHOLDS": IOU_THRESHOLDS,
                "MAX_DETECTIONS": cap,
                "PRINT_CONFIG": False,
            }
        )
        evaluator = trackeval.Evaluator(
            {
                "PRINT_RESULTS": False,
                "PRINT_CONFIG": False,
                "TIME_PROGRESS": False,
                "OUTPUT_SUMMARY": False,
                "OUTPUT_DETAILED": False,
                "PLOT_CURVES": False,
                "BREAK_ON_ERROR": True,
                "LOG_ON_ERROR": None,
            }
        )
        outcome, _ = evaluator.evaluate([dataset], [metric])
    combined = outcome["YouTubeVIS"]["dualtrack"]["COMBINED_SEQ"]["cls_comb_cls_av"]["TrackMAP"]
    return combined["AP_all"], combined["AR_all"]


def _write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(document))

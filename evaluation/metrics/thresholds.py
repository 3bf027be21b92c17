"""Whether the scores of tubelets can be thresholded: their calibration, and which true objects lie above a threshold.

A tubelet is *true* if it is the best one with a tubelet IoU of at least 0.5 with an annotated object, of any class.
"""

from collections.abc import Sequence

import numpy as np

from evaluation.data.dataset import Document
from evaluation.metrics.reliability import Outcomes, calibration_error, reliability_table
from evaluation.metrics.ytvis import ANY_CLASS, HIT, IGNORED

THRESHOLDS = (0.1, 0.3)


def threshold_figures(clips: Sequence[Document]) -> dict[str, float]:
    """`score_ece` of all tubelets, and by threshold the share of objects and the number of false tubelets above it.

    Args:
        clips: records of `match_clip`.
    """
    found = [clip["classes"][ANY_CLASS] for clip in clips]
    scores = np.concatenate([np.zeros(0), *(np.array(item["scores"], np.float64) for item in found)])
    hits = np.concatenate([np.zeros(0, np.int64), *(np.array(item["hits"][0], np.int64) for item in found)])
    scores, right = scores[hits != IGNORED], hits[hits != IGNORED] == HIT
    objects = max(sum(item["truths"] for item in found), 1)
    figures = {"score_ece": calibration_error(reliability_table(Outcomes(scores, right)))}
    for least in THRESHOLDS:
        above = scores > least
        figures[f"found_above_{least}"] = float((above & right).sum() / objects)
        figures[f"false_above_{least}"] = float((above & ~right).sum())
    return figures

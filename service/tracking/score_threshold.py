"""The minimum score of a result's tubelets (docs/method.md, section 8)."""

from collections.abc import Sequence

from dualtrack.result.document import SCORE_DIGITS
from service.structures.tubelets import LabeledTubelet


def at_least(items: Sequence[LabeledTubelet], min_score: float) -> list[LabeledTubelet]:
    """The tubelets with a score of at least `min_score`, in [0, 1], in the same order.

    Scores are compared as results state them, rounded: a reader who applies the same threshold to a result of
    `min_score` 0 gets the same tubelets.
    """
    return [item for item in items if round(item.score, SCORE_DIGITS) >= min_score]

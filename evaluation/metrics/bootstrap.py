"""Confidence of the difference of two evaluations: paired bootstrap over clips.

Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3 (percentile interval). Clips are drawn with
replacement; the metrics of each sample are recomputed from the clips' stored values, so a class in no drawn clip
drops out of the mean, as in a dataset without it. Variation between training runs and kinds of scenes is not covered.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.data.dataset import Document
from evaluation.metrics.figures import figures_of

LEVEL = 95.0
"""Confidence level, in percent."""


@dataclass(frozen=True)
class Difference:
    """One metric of two evaluations.

    Attributes:
        a, b: values on all clips.
        low, high: interval of b - a.
        above: fraction of the samples in which b is above a.
    """

    a: float
    b: float
    low: float
    high: float
    above: float


def differences(
    a: Sequence[Document],
    b: Sequence[Document],
    *,
    samples: int,
    seed: int,
    notify: Callable[[int], None] = lambda _: None,
) -> dict[str, Difference]:
    """The difference of every metric that both have. The same seed gives the same intervals.

    Args:
        a: records of the clips.
        b: records of the same clips in the same order.
        samples: number of bootstrap samples.
        seed: of the random generator.
        notify: called with the number of samples done.
    """
    whole = figures_of(a), figures_of(b)
    names = [name for name in whole[0] if name in whole[1]]
    generator = np.random.default_rng(seed)
    drawn = np.zeros((samples, len(names)))
    for number in range(samples):
        chosen = generator.integers(len(a), size=len(a))
        left, right = (figures_of([clips[i] for i in chosen]) for clips in (a, b))
        drawn[number] = [right[name] - left[name] for name in names]
        notify(number + 1)
    low, high = np.percentile(drawn, [(100 - LEVEL) / 2, (100 + LEVEL) / 2], axis=0)
    above = (drawn > 0).mean(axis=0)
    return {
        name: Difference(whole[0][name], whole[1][name], float(low[i]), float(high[i]), float(above[i]))
        for i, name in enumerate(names)
    }

"""How sure a difference of two evaluations is: bootstrap over clips, both resampled alike.

Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3 (percentile interval). Clips are drawn with
replacement; the figures of each draw are computed again from the clips' stored values, so a class in no drawn clip
drops out of the mean, as in a data set without it. What is left out: another training, another kind of scenes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.data.dataset import Document
from evaluation.metrics.figures import figures_of

LEVEL = 95.0
"""Per cent of the draws inside the interval."""


@dataclass(frozen=True)
class Difference:
    """One figure of two evaluations.

    Attributes:
        a, b: on all clips.
        low, high: interval of b - a.
        above: share of the draws in which b is above a.
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
    """Per figure that both have. The same seed gives the same intervals.

    Args:
        a: clips as evaluations keep them.
        b: the same clips in the same order.
        samples: draws.
        seed: of the draws.
        notify: called with the number of draws done.
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

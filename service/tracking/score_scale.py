"""The scale of a tubelet's scores (docs/method.md, section 6).

The bundled detector's scores encode how well a box fits, so even an object that is detected perfectly in every frame
has a mean far below 1. Logistic regression of "is a true object" on the logarithm of the mean gives the odds

    s' / (1 - s') = (s / HALF) ^ n

and n is chosen so that 0.1 stays 0.1: as many tubelets as before are above that threshold. The map is monotone, so the
order of tubelets does not change.
"""

import math

import numpy as np

from service.structures.arrays import F64

HALF = 0.22
"""Mean score at which half of the tubelets are true objects; fitted on half of the clips of `scenes3d/dev`."""
FIXED = 0.1
"""Mean score that stays as it is."""
EXPONENT = math.log((1 - FIXED) / FIXED) / math.log(HALF / FIXED)


def rescaled(means: F64) -> F64:
    """(K,) mean scores in [0, 1] -> (K,) in [0, 1]."""
    odds: F64 = (np.asarray(means, np.float64) / HALF) ** EXPONENT
    scores: F64 = odds / (1 + odds)
    return scores


def mean_of(score: float) -> float:
    """The mean whose rescaled score is `score`, in [0, 1]: the inverse of `rescaled`; above 1 for scores near 1."""
    return float(HALF * (score / (1 - score)) ** (1 / EXPONENT)) if score < 1 else math.inf

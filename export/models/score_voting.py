"""Score voting (Kim and Lee 2020, "Probabilistic anchor assignment", section 3.4), for boxes and class vectors.

NMS keeps the candidate whose score is highest, which is not the one whose box is best. So what is kept becomes the mean
of all candidates, weighted by score and by exp(-(1 - IoU)² / sigma): those that overlap it by less than about 0.7 have
no say. Differences from the paper: a candidate's weight has the score of its best class whatever that is, for NMS here
is class-agnostic; and class vectors become half the mean of their neighbours', too, since one cell's view of an object
says less than those around it together (decision record 21).
"""

import torch
from torch import Tensor

SIGMA = 0.025
"""The paper's."""
OTHERS = 0.5
"""Share of the candidates around it in a class vector."""
LEAST = 1e-6


def vote(kept: tuple[Tensor, Tensor], candidates: tuple[Tensor, Tensor], say: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes and class vectors of what NMS kept, as all candidates of the image see them.

    Args:
        kept: boxes (B, D, 4) px, class vectors (B, D, K) in [0, 1]; empty slots are 0.
        candidates: boxes (B, N, 4), class vectors (B, N, K) that NMS chose from.
        say: (B, N) their scores, 0 for those that have no vote.

    Returns:
        Boxes (B, D, 4), class vectors (B, D, K); the highest score of a slot stays what it was. Empty slots stay 0.
    """
    (boxes, scores), (around, votes) = kept, candidates
    weight = torch.exp(-((1 - pairwise_iou(boxes, around)) ** 2) / SIGMA) * say[:, None]
    total = weight.sum(2, keepdim=True).clamp(min=LEAST)
    highest = scores.amax(2, keepdim=True)
    moved = torch.matmul(weight, around) / total * (highest > 0).to(boxes.dtype)
    mean = torch.matmul(weight, votes) / total
    mixed = _levelled(mean, highest) * OTHERS + scores * (1 - OTHERS)
    return moved, _levelled(mixed, highest)


def _levelled(vectors: Tensor, highest: Tensor) -> Tensor:
    """Class vectors (B, D, K) scaled so that their highest scores are `highest` (B, D, 1)."""
    return vectors / vectors.amax(2, keepdim=True).clamp(min=LEAST) * highest


def pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of boxes (B, D, 4) and (B, N, 4): (B, D, N); 0 of empty boxes."""
    a, b = first[:, :, None], second[:, None]
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    width, height = (high - low).clamp(min=0).unbind(-1)
    shared = width * height
    return shared / (_area(a) + _area(b) - shared).clamp(min=LEAST)


def _area(boxes: Tensor) -> Tensor:
    sides = boxes[..., 2:] - boxes[..., :2]
    return sides[..., 0] * sides[..., 1]

"""Loss of the Siamese RPN on pairs of frames of a batch of sequences."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_iou, generalized_box_iou_loss

from export.models.siamese_rpn import template_windows
from export.models.trackers import Trackers
from service.tracking.anchors import EXEMPLAR, SEARCH, anchor_grid
from training.data.boxes import noisy, scaled
from training.data.sequence_batch import SequenceBatch

POSITIVE_IOU, NEGATIVE_IOU, LEAST_IOU = 0.6, 0.3, 0.12
MOST_PAIRS, MOST_GONE = 24, 8
NOWHERE = 1e5
"""Offset of the target box, px, if the frame does not show the object."""
ASIDE_SHARE = 0.2
"""Fraction of pairs whose window is around another object of the frame (DaSiamRPN's distractor-aware sampling)."""
FAR_SHARE, NEAR_SHIFT, FAR_SHIFT, SCALE = 0.35, 0.3, 1.0, 0.25
"""Perturbation of the window: shift relative to the object's size, scale as an exponent, per side."""
GROWN_SHARE, GROWTH = 0.4, 0.8
"""Fraction and exponent of windows for a box of a very different size: a box must catch up with a growing object."""
HARD = 64


class Pairs(NamedTuple):
    """Training pairs: index in f8 and box of the template, index in f8 and box of the target, and search window.

    `template` (P,), `reference` (P, 4), `frame` (P,), `target` (P, 4), `window` (P, 4); boxes in px.
    """

    template: Tensor
    reference: Tensor
    frame: Tensor
    target: Tensor
    window: Tensor


def siamese_loss(trackers: Trackers, f8: Tensor, batch: SequenceBatch) -> Tensor:
    """Loss with the template from one frame and the search region in another, in both directions of time.

    Args:
        trackers: the networks.
        f8: (B * L, C, h, w), frame t of sequence b at b * L + t.
        batch: the sequences.
    """
    pairs = draw_pairs(batch)
    if not len(pairs.frame):
        return f8.sum() * 0
    with torch.no_grad():
        templates = trackers.template(f8, pairs.template, pairs.reference)
    scores, deltas = trackers.siamese.logits(f8, pairs.frame, templates, pairs.window)
    middle = (pairs.window[:, :2] + pairs.window[:, 2:]) / 2
    scale = SEARCH / (pairs.window[:, 2:3] - pairs.window[:, :1])
    center, size = (pairs.target[:, :2] + pairs.target[:, 2:]) / 2, pairs.target[:, 2:] - pairs.target[:, :2]
    return _anchor_loss(scores.float(), deltas.float(), torch.cat([(center - middle) * scale, size * scale], 1))


def draw_pairs(batch: SequenceBatch) -> Pairs:
    """Random pairs of frames: up to `MOST_PAIRS` per sequence with the object in both, `MOST_GONE` without it."""
    visible, boxes, sequences = batch.visible, batch.boxes, len(batch.frames)
    first, second, owner = _drawn(visible, visible, MOST_PAIRS * sequences, twice=True)
    around = _neighbors(batch, owner, second)
    shift = torch.where(torch.rand(len(owner), 1) < FAR_SHARE, FAR_SHIFT, NEAR_SHIFT)
    growth = (torch.rand(len(owner), 1) * 2 - 1) * GROWTH * (torch.rand(len(owner), 1) < GROWN_SHARE)
    shown = Pairs(
        _frame(batch, owner, first),
        noisy(boxes[first, owner], 0.06, 0.1),
        _frame(batch, owner, second),
        boxes[second, owner],
        search_windows(scaled(noisy(boxes[second, around], shift, SCALE), growth.exp())),
    )
    return Pairs(*(torch.cat(part) for part in zip(shown, _gone(batch), strict=True)))


def _drawn(template: Tensor, search: Tensor, most: int, *, twice: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Random frames i, j and objects n with template[i, n] and search[j, n] and i != j; at most `most` of them."""
    apart = ~torch.eye(len(template), dtype=torch.bool)
    rows = (template[:, None] & search[None] & apart[..., None]).nonzero()
    rows = rows.repeat(2, 1) if twice else rows
    first, second, owner = rows[torch.randperm(len(rows))[:most]].unbind(1)
    return first, second, owner


def _frame(batch: SequenceBatch, owner: Tensor, time: Tensor) -> Tensor:
    """Index in f8 of an object's frame."""
    return batch.owner[owner] * batch.frames.shape[1] + time


def _neighbors(batch: SequenceBatch, owner: Tensor, time: Tensor) -> Tensor:
    """The object at the window's center: the pair's own or, for a fraction of pairs, another one of the frame."""
    beside = batch.owner[owner][:, None] == batch.owner[None]
    beside = beside & batch.visible[time] & (owner[:, None] != torch.arange(len(batch.owner)))
    other = (torch.rand(beside.shape) * beside).argmax(1)
    aside = (torch.rand(len(owner)) < ASIDE_SHARE) & beside.any(1)
    return torch.where(aside, other, owner)


def _gone(batch: SequenceBatch) -> Pairs:
    """Pairs that search an object at its last position in frames that do not show it: hidden, out of view, removed."""
    gone = (batch.boxes == 0).all(2)
    first, second, owner = _drawn(batch.visible, gone, MOST_GONE * len(batch.frames))
    there = batch.boxes[first, owner]
    window = search_windows(noisy(there, NEAR_SHIFT, SCALE))
    frames = _frame(batch, owner, first), _frame(batch, owner, second)
    return Pairs(frames[0], noisy(there, 0.06, 0.1), frames[1], there + NOWHERE, window)


def search_windows(boxes: Tensor) -> Tensor:
    """Boxes (P, 4) -> search windows of the Siamese RPN (P, 4)."""
    exemplar = template_windows(boxes)
    half = (exemplar[:, 2:] - exemplar[:, :2]) / 2 * SEARCH / EXEMPLAR
    center = (exemplar[:, 2:] + exemplar[:, :2]) / 2
    return torch.cat([center - half, center + half], 1)


def _anchor_loss(scores: Tensor, deltas: Tensor, wanted: Tensor) -> Tensor:
    """Anchors are positive above IoU 0.6 (or the best one), negative below 0.3; both have equal weight (pysot).

    A positive's target is the IoU of its decoded box, as in quality focal loss: the ranking then prefers the anchor
    that fits best, and the score says how well. An object that is absent or outside the window has no positives.

    Args:
        scores: (P, 3125) logits.
        deltas: (P, 3125, 4).
        wanted: (P, 4) center and size in the virtual window.
    """
    grid = torch.from_numpy(anchor_grid()).to(scores.device)
    iou = box_iou(_corners(wanted), _corners(grid))
    positive = (iou >= iou.amax(1, keepdim=True).clamp(max=POSITIVE_IOU)) & (iou > LEAST_IOU)
    negative = (iou < NEGATIVE_IOU) & ~positive
    loss = deltas.sum() * 0
    if positive.any():
        row, anchor = positive.nonzero().T
        # every pair has the same weight, regardless of its number of positives
        weight = (1 / positive.sum(1).clamp(min=1))[row]
        weight = weight / weight.sum()
        goal = wanted[row]
        near = grid[anchor]
        boxes, truth = _decoded(near, deltas[row, anchor]), _corners(goal)
        offsets = torch.cat([(goal[:, :2] - near[:, :2]) / near[:, 2:], (goal[:, 2:] / near[:, 2:]).log()], 1)
        smooth = F.smooth_l1_loss(deltas[row, anchor], offsets, beta=0.1, reduction="none").mean(1)
        overlap = generalized_box_iou_loss(boxes, truth)
        quality = (1 - overlap.detach()).clamp(0.5, 1)
        score = F.binary_cross_entropy_with_logits(scores[row, anchor], quality, reduction="none")
        loss = loss + ((score + 1.5 * smooth + 2 * overlap) * weight).sum()
    hard = F.softplus(scores) * negative
    return loss + hard.topk(HARD, dim=1).values.mean() + hard.sum() / negative.sum().clamp(min=1)


def _decoded(anchors: Tensor, deltas: Tensor) -> Tensor:
    """Anchors (M, 4) cx, cy, w, h and deltas -> corners (M, 4)."""
    middle = anchors[:, :2] + deltas[:, :2] * anchors[:, 2:]
    return _corners(torch.cat([middle, anchors[:, 2:] * deltas[:, 2:].clamp(max=4).exp()], 1))


def _corners(boxes: Tensor) -> Tensor:
    return torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)

"""Losses of both trackers on one sequence."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_iou, generalized_box_iou_loss, masks_to_boxes, roi_align

from export.models.siamese_rpn import template_windows
from export.models.trackers import Trackers
from service.tracking.anchors import anchor_grid
from training.sequences import Sequence

SEARCH_OVER_TEMPLATE = 255 / 127
CONTEXT, MIN_WINDOW = 1.5, 32.0
POSITIVE_IOU, NEGATIVE_IOU = 0.6, 0.3
HARD_SHARE = 0.25


@dataclass(frozen=True)
class Features:
    """f4 and f8 of all frames of a sequence."""

    f4: Tensor
    f8: Tensor


def boxes_of(masks: Tensor) -> Tensor:
    """Masks (N, H, W) -> tight boxes (N, 4); zeros for empty ones."""
    boxes = torch.zeros(len(masks), 4)
    masks = masks.bool()
    there = masks.flatten(1).any(1)
    if there.any():
        tight = masks_to_boxes(masks[there])
        boxes[there] = tight + torch.tensor([0.0, 0.0, 1.0, 1.0])
    return boxes


def noisy(boxes: Tensor, shift: float, scale: float) -> Tensor:
    """Boxes moved by up to `shift` of their size and scaled by up to exp(`scale`) per side."""
    size = boxes[:, 2:] - boxes[:, :2]
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 + (torch.rand_like(size) * 2 - 1) * shift * size
    half = size / 2 * ((torch.rand_like(size) * 2 - 1) * scale).exp()
    return torch.cat([centre - half, centre + half], 1)


def siamese_loss(trackers: Trackers, features: Features, sequence: Sequence) -> Tensor:
    """Template from the reference frame, search in a later one around where the object nearly is.

    A fifth of the pairs look at another object with a neighbour's template: only negatives (distractor-aware
    sampling of DaSiamRPN).
    """
    masks = torch.from_numpy(sequence.masks)
    visible = torch.from_numpy(sequence.visible)
    reference = boxes_of(masks[0])
    total, count = torch.zeros(()), 0
    for t in range(1, len(masks)):
        present = visible[t].nonzero()[:, 0]
        if not len(present):
            continue
        target = boxes_of(masks[t])[present]
        owner = present.clone()
        swap = torch.rand(len(owner)) < 0.2
        if len(reference) > 1:
            owner = torch.where(swap, (owner + 1) % len(reference), owner)
        same = owner == present
        total = total + _pair_loss(trackers, features, t, reference[owner], target, same)
        count += 1
    return total / max(count, 1)


def _pair_loss(
    trackers: Trackers, features: Features, t: int, reference: Tensor, target: Tensor, same: Tensor
) -> Tensor:
    zero = torch.zeros(len(target), dtype=torch.long)
    templates = trackers.template(features.f8[:1], zero, noisy(reference, 0.06, 0.1))
    around = template_windows(noisy(target, 0.35, 0.3))
    half = (around[:, 2:] - around[:, :2]) / 2 * SEARCH_OVER_TEMPLATE
    centre = (around[:, 2:] + around[:, :2]) / 2
    windows = torch.cat([centre - half, centre + half], 1)
    scores, deltas = trackers.siamese.logits(features.f8[t : t + 1], zero, templates, windows)
    scale = 255 / (2 * half[:, :1])
    wanted = torch.cat(
        [((target[:, :2] + target[:, 2:]) / 2 - centre) * scale, (target[:, 2:] - target[:, :2]) * scale], 1
    )
    return _anchor_loss(scores, deltas, wanted, same)


def _anchor_loss(scores: Tensor, deltas: Tensor, wanted: Tensor, same: Tensor) -> Tensor:
    """Positive above IoU 0.6 (or the best), negative below 0.3; the two halves weigh the same (pysot)."""
    grid = torch.from_numpy(anchor_grid())
    iou = box_iou(_corners(wanted), _corners(grid))
    best = iou >= iou.amax(1, keepdim=True).clamp(max=POSITIVE_IOU)
    positive = best & (iou > NEGATIVE_IOU) & same[:, None]
    negative = (iou < NEGATIVE_IOU) | ~same[:, None]
    loss = torch.zeros(())
    if positive.any():
        loss = loss + F.softplus(-scores[positive]).mean()
        cx, cy, w, h = wanted[:, None].expand(-1, len(grid), -1).unbind(2)
        ax, ay, aw, ah = grid.unbind(1)
        goal = torch.stack([(cx - ax) / aw, (cy - ay) / ah, (w / aw).log(), (h / ah).log()], 2)
        loss = loss + 1.5 * F.smooth_l1_loss(deltas[positive], goal[positive], beta=0.1)
        boxes = _decoded(grid.expand_as(deltas)[positive], deltas[positive])
        loss = loss + 2 * generalized_box_iou_loss(boxes, _corners(wanted)[:, None].expand_as(deltas)[positive], "mean")
    hard = F.softplus(scores) * negative
    few = hard.topk(64, dim=1).values.mean()
    return loss + few + hard.sum() / negative.sum().clamp(min=1)


def _decoded(anchors: Tensor, deltas: Tensor) -> Tensor:
    """Anchors (M, 4) cx, cy, w, h moved by deltas -> corners (M, 4)."""
    middle = anchors[:, :2] + deltas[:, :2] * anchors[:, 2:]
    return _corners(torch.cat([middle, anchors[:, 2:] * deltas[:, 2:].clamp(max=4).exp()], 1))


def _corners(boxes: Tensor) -> Tensor:
    return torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)


def pixel_windows(boxes: Tensor) -> Tensor:
    """Squares of 1.5 times the longer side, at least 32 px."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (CONTEXT * (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True)).clamp(min=MIN_WINDOW) / 2
    return torch.cat([centre - half, centre + half], 1)


def crop(masks: Tensor, windows: Tensor, side: int) -> Tensor:
    """Masks (N, H, W) sampled in their windows: (N, S, S)."""
    index = torch.arange(len(masks), dtype=torch.float32)[:, None]
    return roi_align(masks[:, None].float(), torch.cat([index, windows], 1), (side, side), 1.0, 2, aligned=True)[:, 0]


def pixel_loss(trackers: Trackers, features: Features, sequence: Sequence) -> Tensor:
    """The seed's reference, then frame by frame with the predictions fed back, as at inference."""
    masks = torch.from_numpy(sequence.masks)
    visible = torch.from_numpy(sequence.visible)
    side = trackers.pixel.dims.window
    zero = torch.zeros(masks.shape[1], dtype=torch.long)
    windows = pixel_windows(noisy(boxes_of(masks[0]), 0.05, 0.1))
    given = _detector_like(crop(masks[0], windows, side))
    *bank, embedding = trackers.reference(features.f4[:1], zero, windows, given)
    previous = (windows, embedding, given)
    total, count = torch.zeros(()), 0
    for t in range(1, len(masks)):
        boxes = torch.where(visible[t][:, None], boxes_of(masks[t]), _boxes(previous[0]))
        windows = pixel_windows(noisy(boxes, 0.08, 0.12))
        logits, embedding = trackers.pixel.logits(features.f4[t : t + 1], zero, windows, tuple(bank), previous)
        there = visible[t]
        if there.any():
            total = total + _mask_loss(logits[there], crop(masks[t], windows, side)[there])
            count += 1
        previous = (windows, embedding, logits.sigmoid())
    return total / max(count, 1)


def _boxes(windows: Tensor) -> Tensor:
    centre, size = (windows[:, :2] + windows[:, 2:]) / 2, (windows[:, 2:] - windows[:, :2]) / CONTEXT
    return torch.cat([centre - size / 2, centre + size / 2], 1)


def _detector_like(masks: Tensor) -> Tensor:
    """Half of the reference masks grown or shrunk by a sample or two: at inference they come from the detector."""
    grown = F.max_pool2d(masks[:, None], 5, 1, 2)[:, 0]
    shrunk = -F.max_pool2d(-masks[:, None], 3, 1, 1)[:, 0]
    choice = torch.rand(len(masks), 1, 1)
    changed = torch.where(choice < 0.25, grown, torch.where(choice < 0.5, shrunk, masks))
    vanished = changed.flatten(1).amax(1) < 0.5
    return torch.where(vanished[:, None, None], masks, changed)


def _mask_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross entropy on the hardest quarter of the samples and Dice."""
    pixels = F.binary_cross_entropy_with_logits(logits, target, reduction="none").flatten(1)
    hard = pixels.topk(int(HARD_SHARE * pixels.shape[1]), dim=1).values.mean()
    probability = logits.sigmoid().flatten(1)
    overlap = 2 * (probability * target.flatten(1)).sum(1) + 1
    dice = 1 - overlap / (probability.sum(1) + target.flatten(1).sum(1) + 1)
    return hard + dice.mean()

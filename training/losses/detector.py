"""Losses of the detector: masks on jittered boxes, distillation of the dense head, classes on rendered frames."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_iou, generalized_box_iou_loss, roi_align

from export.models.lite_detector import LiteMaskRcnn, Taps, reference_points
from export.models.nanodet import NUM_CLASSES, LevelOutput, decode
from export.repository.classes import COCO_NAMES, YTVIS_NAMES, index_of_ytvis
from training.data.crop_batch import CropBatch

YTVIS_40 = (
    "person giant_panda lizard parrot skateboard sedan ape dog snake monkey hand rabbit duck cat cow fish train horse "
    "turtle bear motorbike giraffe leopard fox deer owl surfboard airplane truck zebra tiger elephant snowboard boat "
    "shark mouse frog eagle earless_seal tennis_racket"
)
YTVIS_INDICES = tuple(index_of_ytvis(name) for name in YTVIS_40.split())
NEW_INDICES = tuple(range(len(COCO_NAMES), len(COCO_NAMES) + len(YTVIS_NAMES)))
MATCH_IOU = 0.4
WEAK_NEGATIVE = 0.2
"""Weight of cells of photographs as negatives for the new classes."""


def mask_loss(model: LiteMaskRcnn, taps: Taps, levels: tuple[Tensor, ...], batch: CropBatch) -> Tensor:
    """Binary cross entropy and Dice on 28×28 targets of ground-truth boxes with detector-like jitter."""
    if not len(batch.labels):
        return taps.c2.sum() * 0
    boxes = _jitter(batch.boxes)
    index = torch.arange(len(boxes), dtype=torch.float32)[:, None]
    # the center of pixel p is at p + 0.5, as in mask pasting
    masks = batch.masks.float()[:, None]
    target = roi_align(masks, torch.cat([index, boxes], 1), (28, 28), 1.0, 2, aligned=True)[:, 0]
    pyramid = tuple(level.float().contiguous() for level in model.mask_head.pyramid(taps.c2, taps.c3, *levels[:3]))
    logits = model.mask_head(pyramid, torch.cat([batch.owner[:, None].float(), boxes], 1)).float()
    probability = logits.sigmoid()
    overlap = 2 * (probability * target).sum((1, 2)) + 1
    dice = 1 - overlap / (probability.sum((1, 2)) + target.sum((1, 2)) + 1)
    return F.binary_cross_entropy_with_logits(logits, target) * 2 + dice.mean()


def _jitter(boxes: Tensor) -> Tensor:
    """Boxes with detector-like errors: every side is off by about 5 % of the box's size."""
    size = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    return boxes + torch.randn_like(boxes).clamp(-2, 2) * size * 0.05


def distillation_loss(student: list[LevelOutput], teacher: list[LevelOutput], keep: Tensor) -> Tensor:
    """Distillation of the 80 old classes and the boxes from the frozen initial weights.

    Args:
        student: dense outputs.
        teacher: dense outputs of the initial weights.
        keep: (B,) 1 for photographs; rendered frames have labels.
    """
    total = torch.zeros(())
    for ours, theirs in zip(student, teacher, strict=True):
        target = theirs.class_logits.float().sigmoid()
        logits = ours.class_logits[:, :NUM_CLASSES].float()
        weight = (target - logits.sigmoid()).abs().detach() ** 1.0 + 0.02
        classes = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * weight
        total = total + (classes.sum((1, 2, 3)) * keep).sum() / (target.amax(1).sum() + 1)
        batch, _, height, width = ours.bin_logits.shape
        bins = ours.bin_logits.float().reshape(batch, 4, 8, height, width)
        soft = theirs.bin_logits.float().reshape(batch, 4, 8, height, width).softmax(2)
        cross = -(soft * bins.log_softmax(2)).sum(2).mean(1)
        confidence = target.amax(1)
        total = total + 0.3 * (cross * confidence * keep[:, None, None]).sum() / (confidence.sum() + 1)
    return total


def class_loss(student: list[LevelOutput], batch: CropBatch) -> Tensor:
    """Quality focal loss (Li et al. 2020) on frames where all YouTube-VIS categories are labeled, GIoU on positives.

    A cell is positive for an object if it lies well inside it and its predicted box overlaps it. The target is that
    IoU, so that scores keep the meaning they have in the initial weights.
    """
    logits = torch.cat([o.class_logits.flatten(2).transpose(1, 2) for o in student], 1).float()
    _, boxes = decode([LevelOutput(o.class_logits.float(), o.bin_logits.float()) for o in student])
    points = reference_points(student)
    total = torch.zeros(())
    for number, labeled in enumerate(batch.labeled_ytvis.tolist()):
        own = batch.owner == number
        truth, labels = batch.boxes[own], batch.labels[own]
        quality, owner = assign_cells(boxes[number].detach(), points, truth)
        if labeled:
            total = total + _labeled_loss(logits[number], boxes[number], (quality, owner), truth, labels)
        else:
            total = total + _photograph_loss(logits[number], (quality, owner), labels)
    return total / len(batch.images)


def _labeled_loss(logits: Tensor, boxes: Tensor, cells: tuple[Tensor, Tensor], truth: Tensor, labels: Tensor) -> Tensor:
    """Loss of classes and boxes of a crop in which all YouTube-VIS categories are labeled."""
    loss, positive, count = _classes(logits, cells, labels, YTVIS_INDICES)
    if positive.any():
        quality, owner = cells
        overlap = generalized_box_iou_loss(boxes[positive], truth[owner[positive]]) * quality[positive]
        loss = loss + overlap.sum() / count
    return loss


def _photograph_loss(logits: Tensor, cells: tuple[Tensor, Tensor], labels: Tensor) -> Tensor:
    """Loss of the new classes on photographs; old classes and boxes are distilled there."""
    loss, positive, count = _classes(logits, cells, labels, NEW_INDICES)
    # photographs contain few objects of the new classes, not all of them labeled: weak negatives
    return loss if positive.any() else WEAK_NEGATIVE * loss * count


def _classes(
    logits: Tensor, cells: tuple[Tensor, Tensor], labels: Tensor, columns: tuple[int, ...]
) -> tuple[Tensor, Tensor, Tensor]:
    """Quality focal loss of some classes (M, K), divided by the sum of targets; positive cells (M,); that sum."""
    quality, owner = cells
    chosen = torch.tensor(columns)
    positive = quality > 0
    if len(labels):
        positive &= torch.isin(labels[owner], chosen)
    target = torch.zeros_like(logits)
    target[positive, labels[owner[positive]]] = quality[positive]
    count = quality[positive].sum() + 1
    return _quality_focal(logits[:, chosen], target[:, chosen]).sum() / count, positive, count


def assign_cells(boxes: Tensor, points: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Cells (M,) -> target quality (M,), 0 for background, and index of the object (M,)."""
    if not len(truth):
        return torch.zeros(len(points)), torch.zeros(len(points), dtype=torch.long)
    center, size = (truth[:, :2] + truth[:, 2:]) / 2, truth[:, 2:] - truth[:, :2]
    near = ((points[:, None] - center[None]).abs() < 0.35 * size[None] + 4).all(2)
    iou = torch.where(near, box_iou(boxes, truth), torch.zeros(()))
    best, owner = iou.max(1)
    # an object that no cell matches yet gets the cells at its center, with a low target
    seen = (iou > MATCH_IOU).any(0)
    fallback = near & ~seen[None] & ((points[:, None] - center[None]).abs() < 0.15 * size[None] + 4).all(2)
    chosen = torch.where(fallback.any(1), fallback.float().argmax(1), owner)
    quality = torch.where(best > MATCH_IOU, best, torch.where(fallback.any(1), 0.3, 0.0))
    return quality, torch.where(best > MATCH_IOU, owner, chosen)


def _quality_focal(logits: Tensor, target: Tensor) -> Tensor:
    wanted = target.expand_as(logits)
    weight = (wanted - logits.sigmoid()).abs().detach() ** 2
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * weight

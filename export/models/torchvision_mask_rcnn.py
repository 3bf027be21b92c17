"""torchvision's Mask R-CNN with exportable post-processing; in `resnext` on ResNeXt-101-32x8d-FPN.

Modules and weights are torchvision's, so its state dicts can be loaded. Its post-processing is replaced: it creates
lists of data-dependent length, and returns one class per detection. Here there are fixed slots, class-agnostic NMS, and
full class vectors. Before that step, values equal torchvision's bit by bit (tested).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor

from export.models.boxes import clip, decode_deltas, gather, nms_mask, rows_with_a_mask, wanted_slots
from export.models.mask_head import align_levels
from export.models.normalise import ImageNetNormalise

TRUNK = "resnext101_32x8d"
PRE_NMS, PROPOSALS = 1000, 300
"""Per level before NMS; over all levels after it."""
RPN_IOU, NMS_IOU = 0.7, 0.5
SCORE_THRESHOLD = 0.05
"""Fixed at a low value; the request's threshold is applied on the host."""
RPN_WEIGHTS, BOX_WEIGHTS = (1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)
SMALLEST_PROPOSAL, SMALLEST_BOX = 1e-3, 1e-2
BOX_GRID, MASK_GRID, MASK_SIDE = 7, 14, 28
NOTHING = -1e4
"""Logit of padding slots, for a level with fewer than `PRE_NMS` anchors."""


def build_mask_rcnn(classes: int, trunk: str = TRUNK, *, agnostic_masks: bool = True) -> MaskRCNN:
    """A torchvision Mask R-CNN with random weights.

    Args:
        classes: K, without background.
        trunk: a torchvision ResNet.
        agnostic_masks: one mask per box (the default here) or one per class (official weights).
    """
    backbone = resnet_fpn_backbone(backbone_name=trunk, weights=None)
    network = MaskRCNN(backbone, num_classes=classes + 1)
    if agnostic_masks:
        network.roi_heads.mask_predictor = MaskRCNNPredictor(256, 256, 1)
    return network.eval()


class TorchvisionMaskRcnn(nn.Module):
    """Graph `mask_rcnn` around the modules of a torchvision Mask R-CNN.

    Args:
        network: see `build_mask_rcnn`.
        slots: D, detections per image.
        columns: the network's output for each class of the class vector (0 is background); by default all others in
            order. Outputs without a class only affect the softmax.

    Attributes:
        fixed_shapes: as in `LiteMaskRcnn`.
    """

    fixed_shapes = False

    def __init__(self, network: MaskRCNN, slots: int, columns: Sequence[int] = ()) -> None:
        super().__init__()
        self.normalise = ImageNetNormalise()
        self.backbone, self.rpn_head = network.backbone, network.rpn.head
        heads = network.roi_heads
        self.box_head, self.box_predictor = heads.box_head, heads.box_predictor
        self.mask_head, self.mask_predictor = heads.mask_head, heads.mask_predictor
        self.slots = slots
        chosen = list(columns) or list(range(1, heads.box_predictor.cls_score.out_features))
        self.register_buffer("columns", torch.tensor(chosen), persistent=False)
        cells = network.rpn.anchor_generator.cell_anchors
        self.levels = len(cells)
        for level, anchors in enumerate(cells):
            self.register_buffer(f"anchors{level}", anchors.clone().float(), persistent=False)
        group = torch.arange(self.levels).repeat_interleave(PRE_NMS)
        self.register_buffer("group", group, persistent=False)

    def forward(
        self, frames: Tensor, hw: Tensor, th_det: Tensor | None = None, max_per_frame: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Frames (B, H, W, 3) uint8 RGB, hw (B, 2), wanted slots -> boxes, scores, masks, count: see specs."""
        limit = hw.to(torch.float32)
        pyramid = list(self.backbone(self.normalise(frames)).values())
        proposals, proposed = self.propose(pyramid, (frames.shape[1], frames.shape[2]), limit)
        scores, boxes = self.classify(pyramid, proposals, limit)
        boxes, scores, valid = self._select(scores, boxes, proposed)
        masks = self.masks(pyramid, boxes, scores, wanted_slots(scores, valid, th_det, max_per_frame))
        return boxes, scores, masks, valid.sum(1, keepdim=True).to(torch.int32)

    def propose(self, pyramid: Sequence[Tensor], size: tuple[int, int], limit: Tensor) -> tuple[Tensor, Tensor]:
        """Region proposals (B, P, 4), best first, and which of them are valid (B, P)."""
        levels = zip(*self.rpn_head(list(pyramid)), strict=True)
        found = [self._level_proposals(i, *level, size) for i, level in enumerate(levels)]
        boxes = clip(torch.cat([boxes for boxes, _ in found], 1), limit)
        logits = torch.cat([logits for _, logits in found], 1)
        usable = _large(boxes, SMALLEST_PROPOSAL) & (logits > NOTHING / 2)
        scores = torch.where(usable, torch.sigmoid(logits), torch.full_like(logits, -1.0))
        kept = nms_mask(boxes, scores, RPN_IOU, self.group, fixed_shapes=self.fixed_shapes)
        value, index = torch.topk(torch.where(kept, scores, torch.full_like(scores, -1.0)), PROPOSALS, dim=1)
        valid = value > 0
        return gather(boxes, index) * valid[..., None].to(boxes.dtype), valid

    def _level_proposals(
        self, level: int, objectness: Tensor, deltas: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """The `PRE_NMS` best anchors of a level: boxes (B, N, 4), logits (B, N)."""
        cells = getattr(self, f"anchors{level}")
        batch, per_cell, rows, columns = objectness.shape
        # as in torchvision: the stride of a coarsest level with an odd number of cells is not a power of two
        stride_y, stride_x = size[0] // rows, size[1] // columns
        logits = objectness.permute(0, 2, 3, 1).reshape(batch, -1)
        logits = torch.cat([logits, logits.new_full((1, PRE_NMS), NOTHING).expand(batch, -1)], 1)
        top, index = torch.topk(logits, PRE_NMS, dim=1)
        index = torch.where(top > NOTHING / 2, index, torch.zeros_like(index))
        cell = index // per_cell
        row = cell // columns
        # no `%`: the exporter does not support it for a tensor and a dynamic size
        x, y = (cell - row * columns) * stride_x, row * stride_y
        anchors = cells[index - cell * per_cell] + torch.stack([x, y, x, y], -1).to(cells.dtype)
        deltas = deltas.reshape(batch, per_cell, 4, rows, columns).permute(0, 3, 4, 1, 2).reshape(batch, -1, 4)
        return decode_deltas(anchors, gather(deltas, index), RPN_WEIGHTS), top

    def classify(self, pyramid: Sequence[Tensor], proposals: Tensor, limit: Tensor) -> tuple[Tensor, Tensor]:
        """Class probabilities without background (B, P, K) and boxes of the best class (B, P, 4)."""
        batch, number, _ = proposals.shape
        pooled = align_levels(pyramid[:4], _rois(proposals), BOX_GRID, fixed_shapes=self.fixed_shapes)
        logits, deltas = self.box_predictor(self.box_head(pooled))
        scores = torch.softmax(logits, -1)[:, self.columns].reshape(batch, number, -1)
        label = self.columns[scores.argmax(2).reshape(-1)]
        deltas = _of_label(deltas.reshape(batch * number, -1, 4), label).reshape(batch, number, 4)
        return scores, clip(decode_deltas(proposals, deltas, BOX_WEIGHTS), limit)

    def _select(self, scores: Tensor, boxes: Tensor, proposed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Class-agnostic NMS on the best class: boxes (B, D, 4), scores (B, D, K), valid (B, D)."""
        best = scores.amax(2)
        usable = proposed & _large(boxes, SMALLEST_BOX) & (best > SCORE_THRESHOLD)
        best = torch.where(usable, best, torch.full_like(best, -1.0))
        kept = nms_mask(boxes, best, NMS_IOU, fixed_shapes=self.fixed_shapes)
        value, index = torch.topk(torch.where(kept, best, torch.full_like(best, -1.0)), self.slots, dim=1)
        valid = value > 0
        keep = valid[..., None].to(boxes.dtype)
        return gather(boxes, index) * keep, gather(scores, index) * keep, valid

    def masks(self, pyramid: Sequence[Tensor], boxes: Tensor, scores: Tensor, valid: Tensor) -> Tensor:
        """Masks of the wanted slots only, (B, D, 28, 28)."""
        batch, slots = valid.shape
        label, rois = self.columns[scores.argmax(2).reshape(-1)], _rois(boxes)
        wanted = valid.reshape(-1).to(boxes.dtype)
        if self.fixed_shapes:
            return self._mask(pyramid, rois, label, wanted).reshape(batch, slots, MASK_SIDE, MASK_SIDE)
        chosen = rows_with_a_mask(valid)
        probability = self._mask(pyramid, rois[chosen], label[chosen], wanted[chosen])
        empty = torch.zeros((batch * slots, MASK_SIDE, MASK_SIDE))
        return torch.index_put(empty, (chosen,), probability).reshape(batch, slots, MASK_SIDE, MASK_SIDE)

    def _mask(self, pyramid: Sequence[Tensor], rois: Tensor, label: Tensor, wanted: Tensor) -> Tensor:
        """Masks (R, 28, 28) of rois (R, 5) with labels (R,), zero where not wanted (R,)."""
        pooled = align_levels(pyramid[:4], rois, MASK_GRID, fixed_shapes=self.fixed_shapes)
        logits = _of_label(self.mask_predictor(self.mask_head(pooled)), label)
        return logits.sigmoid() * wanted[:, None, None]


def _rois(boxes: Tensor) -> Tensor:
    """Boxes (B, N, 4) -> (B * N, 5), preceded by the image index."""
    batch, number, _ = boxes.shape
    image = torch.arange(batch, dtype=boxes.dtype)[:, None, None].expand(-1, number, -1)
    return torch.cat([image, boxes], dim=2).reshape(-1, 5)


def _of_label(values: Tensor, label: Tensor) -> Tensor:
    """Values (R, K + 1 or 1, ...) -> those of each row's label (R, ...); a single value applies to all labels."""
    if values.shape[1] == 1:
        return values[:, 0]
    index = label.reshape(-1, *[1] * (values.dim() - 1)).expand(-1, 1, *values.shape[2:])
    return torch.gather(values, 1, index)[:, 0]


def _large(boxes: Tensor, side: float) -> Tensor:
    return ((boxes[..., 2] - boxes[..., 0]) >= side) & ((boxes[..., 3] - boxes[..., 1]) >= side)

"""The `lite` Mask R-CNN: a dense detector as class-aware region proposal network, and a mask head as second stage.

Trunk, neck and dense head are NanoDet-Plus-m-1.5x (initial weights, Apache-2.0) with additional class outputs. The
dense head gives the class vector of a box (independent sigmoids), and boxes are not classified again: with few training
images a new box head is worse (decision record 1).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from export.models.boxes import clip, gather, nms_mask, rows_with_a_mask, wanted_slots
from export.models.mask_head import MaskHead
from export.models.nanodet import NUM_BINS, NUM_CLASSES, LevelOutput, NanoDetPlus, decode
from export.models.normalise import NanoDetNormalise

SCORE_THRESHOLD = 0.05
"""Fixed at a low value; the request's threshold is applied on the host."""
NMS_IOU = 0.55
PRE_NMS = 400
NEW_CLASS_BIAS = -6.0
MASK_SIDE = 28


class Taps(NamedTuple):
    """Maps of the trunk that the mask head reads in addition to the neck's levels."""

    c2: Tensor
    c3: Tensor


def extend_classes(net: NanoDetPlus, classes: int) -> None:
    """Extend the dense head to `classes` outputs; the new ones start near 0, the old ones are unchanged."""
    for level, old in enumerate(net.head.outputs):
        new = nn.Conv2d(old.in_channels, classes + 4 * NUM_BINS, 1)
        extra = classes - NUM_CLASSES
        with torch.no_grad():
            zeros = old.weight.new_zeros((extra, *old.weight.shape[1:]))
            new.weight.copy_(torch.cat([old.weight[:NUM_CLASSES], zeros, old.weight[NUM_CLASSES:]]))
            silent = old.bias.new_full((extra,), NEW_CLASS_BIAS)
            new.bias.copy_(torch.cat([old.bias[:NUM_CLASSES], silent, old.bias[NUM_CLASSES:]]))
        net.head.outputs[level] = new


class LiteMaskRcnn(nn.Module):
    """See the module's docstring.

    Args:
        classes: K, length of the class vector.
        slots: D, detections per image.

    Attributes:
        fixed_shapes: no length depends on the data; every slot gets a mask, and unwanted ones are zeroed.
    """

    fixed_shapes = False

    def __init__(self, classes: int = 101, slots: int = 50) -> None:
        super().__init__()
        net = NanoDetPlus("m-1.5x")
        extend_classes(net, classes)
        self.trunk, self.neck, self.head = net.trunk, net.neck, net.head
        self.classes, self.slots = classes, slots
        self.mask_head = MaskHead(self.neck.channels, *self.trunk.channels[:2])
        self.normalise = NanoDetNormalise()

    def features(self, image: Tensor) -> tuple[Taps, tuple[Tensor, ...]]:
        """Normalized image -> taps and the neck's p3, p4, p5, p6."""
        c2, c3, c4, c5 = self.trunk(image)
        levels = self.neck(c3, c4, c5)
        return Taps(c2, c3), levels

    def dense_outputs(self, levels: tuple[Tensor, ...]) -> list[LevelOutput]:
        """The dense head's class and bin logits per level."""
        outputs = []
        for tower, output, level in zip(self.head.towers, self.head.outputs, levels, strict=True):
            raw = output(tower(level))
            outputs.append(LevelOutput(raw[:, : self.classes], raw[:, self.classes :]))
        return outputs

    def forward(
        self, frames: Tensor, hw: Tensor, th_det: Tensor | None = None, max_per_frame: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Frames (B, H, W, 3) uint8 RGB and their unpadded sizes hw (B, 2) -> detections in fixed slots.

        Args:
            frames: padded to the same canvas.
            hw: height and width of each.
            th_det: slots with lower scores get no mask, see `wanted_slots`.
            max_per_frame: slots beyond this number get no mask either.

        Returns:
            boxes (B, D, 4) px, scores (B, D, K), masks (B, D, 28, 28) probabilities, count (B, 1) int32. Slots beyond
            the count are 0.
        """
        taps, levels = self.features(self.normalise(frames))
        outputs = self.dense_outputs(levels)
        scores, boxes = decode(outputs)
        boxes, scores, valid = self._select(scores, boxes, reference_points(outputs), hw)
        masks = self._masks(taps, levels, boxes, wanted_slots(scores, valid, th_det, max_per_frame))
        count = valid.sum(1, keepdim=True).to(torch.int32)
        return boxes, scores, masks, count

    def _select(self, scores: Tensor, boxes: Tensor, points: Tensor, hw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Class-agnostic NMS on the best class: boxes (B, D, 4), scores (B, D, K), valid (B, D)."""
        limit = hw.to(boxes.dtype)
        inside = (points[None, :, 0] < limit[:, 1:2]) & (points[None, :, 1] < limit[:, 0:1])
        best = torch.where(inside, scores.amax(2), torch.zeros_like(scores[..., 0]))
        top, index = torch.topk(best, PRE_NMS, dim=1)
        boxes = clip(gather(boxes, index), limit)
        kept = nms_mask(boxes, top, NMS_IOU, fixed_shapes=self.fixed_shapes) & (top > SCORE_THRESHOLD)
        kept = torch.where(kept, top, torch.full_like(top, -1.0))
        value, slot = torch.topk(kept, self.slots, dim=1)
        valid = value > 0
        chosen = torch.gather(index, 1, slot)
        keep = valid.to(boxes.dtype)[..., None]
        return gather(boxes, slot) * keep, gather(scores, chosen) * keep, valid

    def _masks(self, taps: Taps, levels: tuple[Tensor, ...], boxes: Tensor, valid: Tensor) -> Tensor:
        """Masks of the wanted slots only: the head is the most expensive part."""
        batch, slots = valid.shape
        image = torch.arange(batch, dtype=boxes.dtype)[:, None, None].expand(-1, slots, -1)
        rois = torch.cat([image, boxes], dim=2).reshape(-1, 5)
        pyramid = self.mask_head.pyramid(taps.c2, taps.c3, *levels[:3])
        if self.fixed_shapes:
            masks = self.mask_head(pyramid, rois).sigmoid().reshape(batch, slots, MASK_SIDE, MASK_SIDE)
            return masks * valid.to(boxes.dtype)[..., None, None]
        chosen = rows_with_a_mask(valid)
        probability = (
            self.mask_head(pyramid, rois[chosen]).sigmoid() * valid.reshape(-1)[chosen].to(boxes.dtype)[:, None, None]
        )
        empty = torch.zeros((batch * slots, MASK_SIDE, MASK_SIDE))
        return torch.index_put(empty, (chosen,), probability).reshape(batch, slots, MASK_SIDE, MASK_SIDE)


def reference_points(outputs: list[LevelOutput]) -> Tensor:
    """Reference point x, y of every cell in pixels, (M, 2), in the order of `decode`."""
    points = []
    for output, stride in zip(outputs, (8, 16, 32, 64), strict=True):
        rows, columns = (torch.arange(n) for n in output.class_logits.shape[-2:])
        y, x = torch.meshgrid(rows * stride, columns * stride, indexing="ij")
        points.append(torch.stack([x.flatten(), y.flatten()], dim=1))
    return torch.cat(points).float()

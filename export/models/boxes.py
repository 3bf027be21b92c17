"""Box arithmetic inside graphs, in exportable form: no length depends on the data."""

import torch
from torch import Tensor
from torchvision.ops import nms

from export.models.batched_nms import batched_nms_mask

FIELD = 4096.0
"""Side of an image's square in the plane where NMS of a whole batch runs; canvases are smaller."""


def clip(boxes: Tensor, hw: Tensor) -> Tensor:
    """Boxes (B, N, 4) clipped to hw (B, 2)."""
    x1, y1, x2, y2 = boxes.unbind(2)
    height, width = hw[:, 0:1], hw[:, 1:2]
    zero = torch.zeros_like(x1)
    sides = [(x1, width), (y1, height), (x2, width), (y2, height)]
    return torch.stack([torch.minimum(torch.maximum(side, zero), most) for side, most in sides], dim=2)


def gather(values: Tensor, index: Tensor) -> Tensor:
    """Rows `index` (B, M) of values (B, N, C) -> (B, M, C)."""
    return torch.gather(values, 1, index[..., None].expand(-1, -1, values.shape[2]))


def wanted_slots(scores: Tensor, valid: Tensor, th_det: Tensor | None, max_per_frame: Tensor | None) -> Tensor:
    """Slots that get a mask, (B, D): those the host keeps after filtering by score, then by number.

    Args:
        scores: (B, D, K), best slot first.
        valid: (B, D).
        th_det: (B, 1) minimum score of the best class; None: no minimum.
        max_per_frame: (B, 1) maximum number of slots; None: no maximum.
    """
    if th_det is not None:
        valid = valid & (scores.amax(2) >= th_det)
    if max_per_frame is not None:
        valid = valid & (torch.arange(valid.shape[1])[None] < max_per_frame)
    return valid


def rows_with_a_mask(wanted: Tensor) -> Tensor:
    """Wanted slots (B, D) bool -> their indices among all B * D, (R,), always including the first.

    onnxruntime before 1.32 fails on layers with 0 rows. If the first slot is not wanted, its mask must be zeroed.
    """
    flat = wanted.reshape(-1)
    return torch.where(flat | (torch.arange(flat.shape[0]) == 0))[0]


def nms_mask(
    boxes: Tensor, scores: Tensor, iou: float, group: Tensor | None = None, *, fixed_shapes: bool = False
) -> Tensor:
    """NMS per image, and per group if given: boxes (B, N, 4), scores (B, N), group (N,) -> kept (B, N) bool.

    Images are placed side by side and groups one below the other in one plane, and the resulting indices are
    scattered into a mask of fixed shape, so their number is never needed. With `fixed_shapes` NMS runs separately on
    every image, and boxes with a score of 0 are dropped.
    """
    batch = scores.shape[0]
    x = torch.arange(batch, dtype=boxes.dtype)[:, None].expand(-1, scores.shape[1]) * FIELD
    y = torch.zeros_like(x) if group is None else group.to(boxes.dtype).expand(batch, -1) * FIELD
    if fixed_shapes:
        zero = torch.zeros_like(y)
        return batched_nms_mask(boxes + torch.stack([zero, y, zero, y], dim=2), scores, iou) > 0.5
    kept = nms((boxes + torch.stack([x, y, x, y], dim=2)).reshape(-1, 4), scores.reshape(-1), iou)
    flat = torch.zeros_like(scores).reshape(-1)
    marked = torch.index_put(flat, (kept,), torch.ones((), dtype=flat.dtype))
    return marked.reshape(scores.shape) > 0.5


def decode_deltas(boxes: Tensor, deltas: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """`BoxCoder.decode` of torchvision, operation by operation: boxes and deltas (..., 4) -> boxes (..., 4)."""
    width, height = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    x, y = boxes[..., 0] + 0.5 * width, boxes[..., 1] + 0.5 * height
    dx, dy, dw, dh = (delta / weight for delta, weight in zip(deltas.unbind(-1), weights, strict=True))
    x, y = dx * width + x, dy * height + y
    half_width = torch.exp(dw.clamp(max=LARGEST_GROWTH)) * width * 0.5
    half_height = torch.exp(dh.clamp(max=LARGEST_GROWTH)) * height * 0.5
    return torch.stack([x - half_width, y - half_height, x + half_width, y + half_height], dim=-1)


LARGEST_GROWTH = 4.135166556742356
"""log(1000 / 16), torchvision's clamp of dw and dh."""

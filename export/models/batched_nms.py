"""NMS of a whole batch as a custom operator, exported as one NonMaxSuppression with a batch axis.

`torchvision::nms` has no batch axis. With all images in one plane, TensorRT sees a single batch item: it considers the
5000 best boxes of all images together and silently drops the others.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import nms

MOST_BOXES = 5000
"""TensorRT's limit per image (operator reference, NMS, `TopKBoxLimit`)."""


@torch.library.custom_op("dualtrack::batched_nms_mask", mutates_args=())
def batched_nms_mask(boxes: Tensor, scores: Tensor, iou: float) -> Tensor:
    """Boxes (B, N, 4), scores (B, N) -> (B, N) float32, 1 where kept; boxes with a score of 0 are dropped."""
    kept = torch.zeros_like(scores)
    for image in range(len(scores)):
        (above,) = torch.where(scores[image] > 0)
        kept[image, above[nms(boxes[image, above], scores[image, above], iou)]] = 1
    return kept


@batched_nms_mask.register_fake
def _(boxes: Tensor, scores: Tensor, iou: float) -> Tensor:  # noqa: ARG001 (the operator's signature)
    return torch.empty_like(scores)


def _to_onnx(boxes: Any, scores: Any, iou: float) -> Any:
    """The same as ONNX operators; NonMaxSuppression accepts corners in any order, so x and y need not be swapped."""
    from onnxscript import opset18 as op  # noqa: PLC0415 (only the export needs it; training imports this module)

    most = op.Constant(value_ints=[MOST_BOXES])
    threshold, least = op.Constant(value_floats=[iou]), op.Constant(value_floats=[0.0])
    kept = op.NonMaxSuppression(boxes, op.Unsqueeze(scores, op.Constant(value_ints=[1])), most, threshold, least)
    places = op.Gather(kept, op.Constant(value_ints=[0, 2]), axis=1)
    ones = op.Expand(op.Constant(value_floats=[1.0]), op.Shape(places, start=0, end=1))
    return op.ScatterND(op.Mul(scores, op.Constant(value_floats=[0.0])), places, ones)


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """For `torch.onnx.export(custom_translation_table=...)`."""
    return {torch.ops.dualtrack.batched_nms_mask.default: _to_onnx}

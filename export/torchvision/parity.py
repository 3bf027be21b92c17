"""Compares our `mask_rcnn` with torchvision's forward, at the three places where both compute the same.

The steps after these places differ on purpose (`DIFFERENCES`): torchvision's lists with one class per detection have
no counterpart in a graph with fixed slots and full class vectors.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN

from export.models.torchvision_mask_rcnn import PRE_NMS, PROPOSALS, TorchvisionMaskRcnn
from export.onnx.parity import Parity, difference
from export.onnx.sample_inputs import frames

TOLERANCES = {"pyramid": 1e-3, "proposals": 1e-2, "probabilities": 2e-4, "box_of_class": 1e-2, "mask_of_class": 1e-3}
"""Relative to the standard deviation for the pyramid, in px for boxes, else as probabilities."""
RELATIVE = frozenset({"pyramid"})
MASKS = 20
"""Number of proposals whose masks are compared: the mask head is the most expensive part."""
SIZES_HW = ((160, 224), (192, 128))
DIFFERENCES = (
    "NMS is over all classes (IoU 0.5): one object is one candidate with its full class vector. torchvision's is per "
    "class, so a box can occur once per class.\n"
    "Box and mask are of the best class.\n"
    f"{PROPOSALS} proposals and 50 detections per image; torchvision's defaults are 1000 and 100.\n"
    "The host scales frames (short side 384, torchvision's is 800) and pads them with the mean color, which is below "
    "0.01 after normalization; torchvision pads with 0.\n"
    "Outputs without a class affect the softmax but never become a detection."
).splitlines()
"""Deliberate differences to torchvision."""


@dataclass
class Seen:
    """Intermediate values of torchvision's modules in one forward pass."""

    pyramid: list[Tensor] = field(default_factory=list)
    proposals: list[Tensor] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)
    deltas: list[Tensor] = field(default_factory=list)


def compare_with_torchvision(
    theirs: MaskRCNN, ours: TorchvisionMaskRcnn, sizes_hw: Sequence[tuple[int, int]] = SIZES_HW
) -> list[Parity]:
    """Compare feature pyramid, proposals, and, for the same proposals, class probabilities, boxes and masks.

    Args:
        theirs: the network; only the number of proposals and the scaling are changed.
        ours: with the same weights.
        sizes_hw: of the random images, multiples of 32.
    """
    rows: list[Parity] = []
    for seed, size in enumerate(sizes_hw, start=1):
        inputs = frames(1, *size, seed=seed)
        inputs["hw"] = torch.tensor([size], dtype=torch.int32)
        with torch.no_grad():
            seen = _their_forward(theirs, inputs["frames"])
            rows += _rows(seen, theirs, ours, inputs, f"torchvision at {size[0]}x{size[1]}")
    return rows


def _their_forward(theirs: MaskRCNN, pictures: Tensor) -> Seen:
    """Run torchvision's forward on (1, H, W, 3) uint8 and record intermediate values."""
    image = pictures[0].permute(2, 0, 1).float() / 255
    with _watched(theirs) as seen, _our_limits(theirs, image):
        theirs([image])
    return seen


@contextmanager
def _watched(theirs: MaskRCNN) -> Iterator[Seen]:
    seen = Seen()

    def pyramid(_: nn.Module, __: Any, output: dict[str, Tensor]) -> None:
        seen.pyramid = list(output.values())

    def proposals(_: nn.Module, __: Any, output: tuple[list[Tensor], Any]) -> None:
        seen.proposals = output[0]

    def classes(_: nn.Module, __: Any, output: tuple[Tensor, Tensor]) -> None:
        seen.logits, seen.deltas = [output[0]], [output[1]]

    hooks = [
        theirs.backbone.register_forward_hook(pyramid),
        theirs.rpn.register_forward_hook(proposals),
        theirs.roi_heads.box_predictor.register_forward_hook(classes),
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _our_limits(theirs: MaskRCNN, image: Tensor) -> Iterator[None]:
    """Disable scaling of the image, and set the number of proposals to ours."""
    transform, rpn = theirs.transform, theirs.rpn
    before = transform.min_size, transform.max_size, dict(rpn._pre_nms_top_n), dict(rpn._post_nms_top_n)  # noqa: SLF001
    height, width = image.shape[-2:]
    transform.min_size, transform.max_size = (min(height, width),), max(height, width)
    rpn._pre_nms_top_n["testing"], rpn._post_nms_top_n["testing"] = PRE_NMS, PROPOSALS  # noqa: SLF001
    try:
        yield
    finally:
        transform.min_size, transform.max_size, rpn._pre_nms_top_n, rpn._post_nms_top_n = before  # noqa: SLF001


def _rows(
    seen: Seen, theirs: MaskRCNN, ours: TorchvisionMaskRcnn, inputs: dict[str, Tensor], case: str
) -> Iterator[Parity]:
    limit = inputs["hw"].float()
    pyramid = list(ours.backbone(ours.normalise(inputs["frames"])).values())
    for wanted, got in zip(seen.pyramid, pyramid, strict=True):
        yield _row(case, "pyramid", wanted, got)
    size = (int(limit[0, 0]), int(limit[0, 1]))
    proposals, valid = ours.propose(seen.pyramid, size, limit)
    yield Parity(
        "mask_rcnn", case, "proposals", _apart(seen.proposals[0], proposals[0][valid[0]]), TOLERANCES["proposals"]
    )
    same = seen.proposals[0][None]
    scores, boxes = ours.classify(seen.pyramid, same, limit)
    yield _row(case, "probabilities", torch.softmax(seen.logits[0], -1)[:, ours.columns], scores[0])
    label = ours.columns[scores[0].argmax(1)]
    decoded = theirs.roi_heads.box_coder.decode(seen.deltas[0], [seen.proposals[0]])
    clipped = torch.stack([decoded[..., 0::2].clamp(0, size[1]), decoded[..., 1::2].clamp(0, size[0])], -1).flatten(2)
    yield _row(case, "box_of_class", clipped[torch.arange(len(label)), label], boxes[0])
    yield _row(case, "mask_of_class", *_masks(seen, theirs, ours, scores[:, :MASKS], size))


def _masks(
    seen: Seen, theirs: MaskRCNN, ours: TorchvisionMaskRcnn, scores: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Masks (R, 28, 28) of the first proposals, theirs and ours."""
    heads, boxes = theirs.roi_heads, seen.proposals[0][:MASKS]
    levels = dict(zip(("0", "1", "2", "3", "pool"), seen.pyramid, strict=True))
    logits = heads.mask_predictor(heads.mask_head(heads.mask_roi_pool(levels, [boxes], [size])))
    label = ours.columns[scores[0].argmax(1)]
    wanted = logits.sigmoid()[torch.arange(len(label)), label]
    everything = torch.ones(1, len(boxes), dtype=torch.bool)
    return wanted, ours.masks(seen.pyramid, boxes[None], scores, everything)[0]


def _apart(wanted: Tensor, got: Tensor) -> float:
    """Maximum distance of a box to the nearest one in the other set; infinite if their numbers differ.

    Sets, because among equal scores torchvision's sort and our top-k have no defined order.
    """
    if wanted.shape != got.shape:
        return float("inf")
    distance = (wanted[:, None] - got[None]).abs().amax(2)
    return float(torch.maximum(distance.amin(0).amax(), distance.amin(1).amax()))


def _row(case: str, output: str, wanted: Tensor, got: Tensor) -> Parity:
    error = difference(output, wanted.numpy(), got.numpy())
    if output in RELATIVE:
        error /= max(float(wanted.std()), 1e-6)
    return Parity("mask_rcnn", case, output, error, TOLERANCES[output])

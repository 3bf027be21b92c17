"""Random weights with well-spread outputs: runtimes can't be compared on saturated scores or ties."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.ops import FrozenBatchNorm2d

from export.models.deeplab import DeepLabFeatures
from export.models.lite_detector import LiteMaskRcnn
from export.models.mask_head import align_levels
from export.models.torchvision_mask_rcnn import BOX_GRID, MASK_GRID, TorchvisionMaskRcnn
from export.onnx.graphs import Lite, Resnext
from export.onnx.sample_inputs import frames

RESIDUAL = 0.25
"""Scale of a residual branch, as in trained networks: at 1, rounding errors of a hundred random layers add up."""
RARE = 5.0
"""Number of standard deviations above its mean at which a class is detected (`lite`)."""
OBJECTNESS, RPN_DELTAS, CLASSES, BOX_DELTAS, MASKS = 2.0, 0.3, 2.0, 0.5, 1.5
"""Standard deviation to which each output layer is scaled."""


def random_lite(seed: int = 0) -> Lite:
    """The architecture `lite` with random weights."""
    torch.manual_seed(seed)
    network = Lite().apply(_unit_gain)
    _spread_dense(network.detector)
    return network.eval()


def random_resnext(seed: int = 0, **trunks: str) -> Resnext:
    """The architecture `resnext` with random weights; `trunks` as for `Resnext`."""
    torch.manual_seed(seed)
    network = Resnext(**trunks).eval()
    network.siamese.apply(_unit_gain)
    network.pixel.apply(_unit_gain)
    spread_detector(network.detector)
    _spread_features(network.features)
    return network


def _unit_gain(module: nn.Module) -> None:
    """Keep activations near unit variance, as there is no batch norm."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, a=0.1)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _spread_dense(detector: LiteMaskRcnn) -> None:
    """Scale the outputs of every level; biases make detections rare."""
    with torch.no_grad():
        image = detector.normalise(frames(1, 128, 192, seed=12)["frames"])
        _, levels = detector.features(image)
        for tower, output, level in zip(detector.head.towers, detector.head.outputs, levels, strict=True):
            raw = output(tower(level))
            scale = 1 / raw.std((0, 2, 3))
            output.weight.mul_(scale[:, None, None, None])
            output.bias.copy_(-raw.mean((0, 2, 3)) * scale)
            output.bias[: detector.classes] -= RARE


def _spread_features(network: DeepLabFeatures) -> None:
    """Set all batch norms from random images."""
    _calm(network)
    with torch.no_grad(), _statistics(network):
        inputs = frames(2, 96, 128, seed=11)
        network(inputs["frames"], inputs["hw"])


def spread_detector(detector: TorchvisionMaskRcnn) -> None:
    """Set the frozen batch norms from random images, then scale every output layer."""
    _calm(detector.backbone)
    image = detector.normalise(frames(1, 128, 192, seed=12)["frames"])
    with torch.no_grad():
        with _statistics(detector.backbone):
            detector.backbone(image)
        pyramid = list(detector.backbone(image).values())
        objectness, deltas = detector.rpn_head(pyramid)
        _scale(detector.rpn_head.cls_logits, _flat(objectness), OBJECTNESS)
        _scale(detector.rpn_head.bbox_pred, _flat(deltas), RPN_DELTAS)
        proposals, _ = detector.propose(pyramid, (128, 192), torch.tensor([[128.0, 192.0]]))
        rois = torch.cat([torch.zeros_like(proposals[0, :, :1]), proposals[0]], 1)
        logits, deltas = detector.box_predictor(detector.box_head(align_levels(pyramid[:4], rois, BOX_GRID)))
        # no class has a higher mean, so that every class wins somewhere
        scale = CLASSES / logits.std(0)
        detector.box_predictor.cls_score.weight.mul_(scale[:, None])
        detector.box_predictor.cls_score.bias.mul_(scale).sub_(logits.mean(0) * scale)
        _scale(detector.box_predictor.bbox_pred, deltas, BOX_DELTAS)
        masks = detector.mask_predictor(detector.mask_head(align_levels(pyramid[:4], rois[:50], MASK_GRID)))
        _scale(detector.mask_predictor.mask_fcn_logits, masks, MASKS)


def _calm(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, Bottleneck):
            module.bn3.weight.data.fill_(RESIDUAL)
        elif isinstance(module, BasicBlock):
            module.bn2.weight.data.fill_(RESIDUAL)


def _flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


def _scale(layer: nn.Conv2d | nn.Linear, output: Tensor, deviation: float) -> None:
    layer.weight.mul_(deviation / output.std())


@contextmanager
def _statistics(network: nn.Module) -> Iterator[None]:
    """While open, every batch norm adopts the statistics of its input, layer by layer."""

    def take(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        (x,) = inputs
        module.running_mean.copy_(x.mean((0, 2, 3)))
        module.running_var.copy_(x.var((0, 2, 3), correction=0) + 0.1)  # two pooled pixels may be equal

    norms = [m for m in network.modules() if isinstance(m, FrozenBatchNorm2d | nn.BatchNorm2d)]
    handles = [norm.register_forward_pre_hook(take) for norm in norms]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

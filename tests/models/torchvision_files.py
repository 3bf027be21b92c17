"""Files as torchvision's `maskrcnn_resnet50_fpn` v1 and v2 leave them, with random weights."""

import re

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn, maskrcnn_resnet50_fpn_v2

from export.models.torchvision_mask_rcnn import TorchvisionMaskRcnn
from export.onnx.random_networks import spread_detector

State = dict[str, Tensor]
SHRUNK = 0.01
OLD_NAMES = (
    (r"(fpn\.(?:inner|layer)_blocks\.\d)\.0\.", r"\1."),
    (r"rpn\.head\.conv\.0\.0\.", "rpn.head.conv."),
    (r"mask_head\.(\d)\.0\.", lambda found: f"mask_head.mask_fcn{int(found[1]) + 1}."),
)
"""Today's names of layers and those of 2019, when the official file of v1 was written; torchvision renames them."""


def v1_file(outputs: int = 91) -> State:
    """Keys of the official v1 file: frozen batch norms, which count nothing, and the names of 2019.

    Variances are as small as those of real weights: with another eps than 0 it is another network.
    """
    torch.manual_seed(3)
    state = random_state(maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=outputs))
    state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    for key in [key for key in state if key.endswith("running_var")]:
        norm = key.removesuffix(".running_var")
        conv = re.sub(r"downsample\.1$", "downsample.0", re.sub(r"bn(\d)$", r"conv\1", norm))
        state[f"{conv}.weight"] = state[f"{conv}.weight"] * SHRUNK
        state[f"{norm}.running_mean"] = state[f"{norm}.running_mean"] * SHRUNK
        state[key] = state[key] * SHRUNK**2
    return {old_name(key): value for key, value in state.items()}


def v2_file(outputs: int = 91) -> State:
    """Keys of the official v2 file."""
    torch.manual_seed(3)
    return random_state(maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=outputs))


def random_state(network: MaskRCNN) -> State:
    """Weights whose outputs are spread; random ones are of the caller's seed."""
    for module in network.roi_heads.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    spread_detector(TorchvisionMaskRcnn(network.eval(), 50))
    return {key: value.contiguous() for key, value in network.state_dict().items()}


def old_name(key: str) -> str:
    for pattern, name in OLD_NAMES:
        key = re.sub(pattern, name, key)
    return key

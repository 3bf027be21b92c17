"""Reads checkpoints of torchvision's `maskrcnn_resnet50_fpn` and `…_v2`."""

import argparse
import hashlib
import pickle
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn_v2
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d

from dualtrack.errors import ConfigurationError

Form = Literal["v1", "v2"]
NAMES: dict[Form, str] = {"v1": "maskrcnn_resnet50_fpn", "v2": "maskrcnn_resnet50_fpn_v2"}
WRAPPINGS = ("model", "state_dict", "model_state_dict")
"""Keys under which training scripts store the state dict; torchvision's use the first."""
ONLY_V2 = "roi_heads.box_head.0.0.weight"
"""v2's box head starts with convolutions, v1's is two layers, fc6 and fc7."""
CLASS_BIAS = "roi_heads.box_predictor.cls_score.bias"
COUNTER = "num_batches_tracked"
TRAINED_EPS, OFFICIAL_EPS = 1e-5, 0.0
MOST_NAMED = 5


@dataclass(frozen=True)
class TorchvisionCheckpoint:
    """The content of a checkpoint file.

    Attributes:
        network: torchvision's modules with the file's weights, for inference.
        form: v1 or v2.
        outputs: number of outputs of the class head, including background.
        tensors: number of tensors in the file.
        eps: of the batch norms.
        sha256: of the file.
    """

    network: MaskRCNN
    form: Form
    outputs: int
    tensors: int
    eps: float
    sha256: str

    @property
    def name(self) -> str:
        """The name of the architecture in torchvision."""
        return NAMES[self.form]


def read_checkpoint(path: Path, eps: float | None = None) -> TorchvisionCheckpoint:
    """Read a file and load it into the matching network.

    Args:
        path: .safetensors, or a file of `torch.save` with a state dict or a training checkpoint that contains one.
        eps: of v1's batch norms. The default is 0 if the norms are frozen, as torchvision sets for its COCO weights
            (which predate the eps of its frozen norms, pytorch/vision#2933) and as in all models fine-tuned from them;
            1e-5 if the norms have batch counters, as after training from scratch.

    Raises:
        ConfigurationError: the file can't be read, or its keys or shapes do not match.
    """
    state = _read(path)
    form: Form = "v2" if ONLY_V2 in state else "v1"
    if form == "v2" and eps is not None:
        raise ConfigurationError(f"{path}: expected no eps for {NAMES['v2']}, its batch norms always have 1e-5")
    counted = any(key.endswith(COUNTER) for key in state)
    if eps is None:
        eps = OFFICIAL_EPS if form == "v1" and not counted else TRAINED_EPS
    # if the layer is missing, the check of the keys below reports it
    outputs = len(state[CLASS_BIAS]) if CLASS_BIAS in state and state[CLASS_BIAS].dim() else 2
    network = _build(form, outputs, eps)
    _fill(network, state, path, form)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return TorchvisionCheckpoint(network.eval(), form, outputs, len(state), eps, digest)


def frozen(network: MaskRCNN) -> MaskRCNN:
    """A copy with frozen batch norms, which are one multiplication and one addition.

    The exporter does not support batch norm over a data-dependent number of masks, as in v2's mask head.
    """
    copy = deepcopy(network)
    for parent in list(copy.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                norm = FrozenBatchNorm2d(child.num_features, eps=child.eps)
                norm.load_state_dict(child.state_dict())
                setattr(parent, name, norm)
    return copy.eval()


def _build(form: Form, outputs: int, eps: float) -> MaskRCNN:
    if form == "v2":
        return maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=outputs)
    # as in `maskrcnn_resnet50_fpn`; frozen norms can also load state with batch counters
    backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d)
    for module in backbone.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = eps
    return MaskRCNN(backbone, num_classes=outputs)


def _fill(network: MaskRCNN, state: dict[str, Tensor], path: Path, form: Form) -> None:
    try:
        # torchvision's modules rename keys of older files themselves
        keys = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{path}: shapes do not match {NAMES[form]}: {reason}") from error
    if keys.missing_keys or keys.unexpected_keys:
        raise ConfigurationError(
            f"{path}: expected maskrcnn_resnet50_fpn v1 or v2; compared with {form}, "
            f"missing {_named(keys.missing_keys)}, unexpected {_named(keys.unexpected_keys)}"
        )


def _named(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - MOST_NAMED} more" if len(keys) > MOST_NAMED else ""
    return f"{', '.join(sorted(keys)[:MOST_NAMED]) or 'nothing'}{more}"


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        try:
            return {key: value.float() for key, value in load_file(path).items()}
        except (OSError, SafetensorError) as error:
            raise ConfigurationError(f"{path}: expected a safetensors file: {error}") from error
    try:
        # weights_only: no code in the file is executed. torchvision's training scripts also store their arguments
        with torch.serialization.safe_globals([argparse.Namespace]):
            found: object = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        first = str(error).strip().partition("\n")[0]
        raise ConfigurationError(f"{path}: expected weights only, written by torch.save: {first}") from error
    return _state_dict(found, path)


def _state_dict(found: object, path: Path) -> dict[str, Tensor]:
    if isinstance(found, Mapping):
        wrapped = next((found[name] for name in WRAPPINGS if isinstance(found.get(name), Mapping)), found)
        if wrapped and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in wrapped.items()):
            return {key: value.float() for key, value in wrapped.items()}
    raise ConfigurationError(f"{path}: expected a state dict (tensors by name), or one under {', '.join(WRAPPINGS)}")

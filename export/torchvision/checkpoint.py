"""A Mask R-CNN that torchvision's `maskrcnn_resnet50_fpn` or `…_v2` has saved: the file, its keys, the network."""

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
"""Under which training scripts keep the state dict; torchvision's own uses the first."""
ONLY_V2 = "roi_heads.box_head.0.0.weight"
"""v2's box head starts with convolutions, v1's is two layers, fc6 and fc7."""
CLASS_BIAS = "roi_heads.box_predictor.cls_score.bias"
COUNTER = "num_batches_tracked"
TRAINED_EPS, OFFICIAL_EPS = 1e-5, 0.0
MOST_NAMED = 5


@dataclass(frozen=True)
class TorchvisionCheckpoint:
    """What was in a file.

    Attributes:
        network: torchvision's modules with the file's weights, for inference.
        form: v1 or v2.
        outputs: of the class head, background included.
        tensors: in the file.
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
        """What torchvision calls the architecture."""
        return NAMES[self.form]


def read_checkpoint(path: Path, eps: float | None = None) -> TorchvisionCheckpoint:
    """Read a file and fill the network it belongs to.

    Args:
        path: .safetensors, or what `torch.save` wrote: a state dict, or a training's checkpoint with one inside.
        eps: of v1's batch norms. By default 0 where the norms are frozen, as torchvision sets it for its COCO weights
            (those come from before its frozen norms had an eps, pytorch/vision#2933) and as every fine-tuned copy of
            these has it; 1e-5 where the norms count their batches, as a training from scratch leaves them.

    Raises:
        ConfigurationError: the file can't be read, or its keys or shapes are others.
    """
    state = _read(path)
    form: Form = "v2" if ONLY_V2 in state else "v1"
    if form == "v2" and eps is not None:
        raise ConfigurationError(f"{path}: expected no eps for {NAMES['v2']}, its batch norms always have 1e-5")
    counted = any(key.endswith(COUNTER) for key in state)
    if eps is None:
        eps = OFFICIAL_EPS if form == "v1" and not counted else TRAINED_EPS
    # without the layer the check of the keys names it
    outputs = len(state[CLASS_BIAS]) if CLASS_BIAS in state and state[CLASS_BIAS].dim() else 2
    network = _build(form, outputs, eps)
    _fill(network, state, path, form)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return TorchvisionCheckpoint(network.eval(), form, outputs, len(state), eps, digest)


def frozen(network: MaskRCNN) -> MaskRCNN:
    """A copy with frozen batch norms, which are a product and a sum.

    The exporter takes no batch norm over a number of masks that depends on the data, as v2's mask head has it.
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
    # as `maskrcnn_resnet50_fpn` does it for weights; frozen norms also read those that count their batches
    backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d)
    for module in backbone.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = eps
    return MaskRCNN(backbone, num_classes=outputs)


def _fill(network: MaskRCNN, state: dict[str, Tensor], path: Path, form: Form) -> None:
    try:
        # torchvision's modules rename the keys of its older files themselves
        keys = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{path}: shapes are not those of {NAMES[form]}: {reason}") from error
    if keys.missing_keys or keys.unexpected_keys:
        raise ConfigurationError(
            f"{path}: expected maskrcnn_resnet50_fpn v1 or v2; next to {form} it has "
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
        # weights_only: nothing in the file is run. torchvision's training also keeps its arguments, a plain record
        with torch.serialization.safe_globals([argparse.Namespace]):
            found: object = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        first = str(error).strip().partition("\n")[0]
        raise ConfigurationError(f"{path}: expected weights alone, as torch.save writes them: {first}") from error
    return _state_dict(found, path)


def _state_dict(found: object, path: Path) -> dict[str, Tensor]:
    if isinstance(found, Mapping):
        wrapped = next((found[name] for name in WRAPPINGS if isinstance(found.get(name), Mapping)), found)
        if wrapped and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in wrapped.items()):
            return {key: value.float() for key, value in wrapped.items()}
    raise ConfigurationError(f"{path}: expected a state dict (tensors by name), or one under {', '.join(WRAPPINGS)}")

"""One flat module per graph of the repository: tensors in, tensors out, in the order of the specs."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from export.models.lite_detector import LiteMaskRcnn
from export.models.trackers import Trackers
from service.inference.specs import LITE, ModelDims


class LiteMaskRcnnGraph(nn.Module):
    """`mask_rcnn` of the preset `lite`: the detector and the features that the trackers share."""

    def __init__(self, detector: LiteMaskRcnn, trackers: Trackers) -> None:
        super().__init__()
        self.detector, self.features = detector, trackers.features

    def forward(self, frames: Tensor, hw: Tensor) -> tuple[Tensor, ...]:
        """See specs: boxes, scores, masks, count, f4, f8."""
        boxes, scores, masks, count, taps = self.detector(frames, hw)
        return boxes, scores, masks, count, *self.features(*taps)


def lite_graphs(detector: LiteMaskRcnn, trackers: Trackers) -> dict[str, nn.Module]:
    """All graphs of the preset `lite` by name."""
    return {
        "mask_rcnn": LiteMaskRcnnGraph(detector, trackers).eval(),
        "siamese_rpn_template": trackers.template.eval(),
        "siamese_rpn": trackers.siamese.eval(),
        "pixel_embedding_reference": trackers.reference.eval(),
        "pixel_embedding": trackers.pixel.eval(),
    }


def save_lite(path: Path, detector: LiteMaskRcnn, trackers: Trackers) -> None:
    """Both networks as one safetensors file, `detector.` and `trackers.`; float16, which keeps it small."""
    parts = (("detector", detector), ("trackers", trackers))
    tensors = {
        f"{prefix}.{name}": value.detach().half().contiguous()
        for prefix, module in parts
        for name, value in module.state_dict().items()
    }
    save_file(tensors, path)


def load_lite(path: Path, dims: ModelDims = LITE) -> tuple[LiteMaskRcnn, Trackers]:
    """The inverse of `save_lite`, float32."""
    tensors = {name: value.float() for name, value in load_file(path).items()}
    detector, trackers = LiteMaskRcnn(dims.classes, dims.slots), Trackers(dims)
    for prefix, module in (("detector.", detector), ("trackers.", trackers)):
        module.load_state_dict({n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)})
    return detector.eval(), trackers.eval()


def random_lite(seed: int = 0) -> tuple[LiteMaskRcnn, Trackers]:
    """Random weights whose scores are spread: with ties nothing can be compared."""
    torch.manual_seed(seed)
    detector, trackers = LiteMaskRcnn(), Trackers()
    rescale: Callable[[nn.Module], None] = _unit_gain
    detector.apply(rescale)
    trackers.apply(rescale)
    with torch.no_grad():
        for output in detector.head.outputs:
            output.weight[: detector.classes] *= 0.6
            output.bias[: detector.classes] = -3.0
    return detector.eval(), trackers.eval()


def _unit_gain(module: nn.Module) -> None:
    """Keep activations near unit variance: there is no batch norm that would."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, a=0.1)
        if module.bias is not None:
            nn.init.zeros_(module.bias)

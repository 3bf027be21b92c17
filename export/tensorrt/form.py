"""Converts networks for TensorRT: fixed shapes, half precision, frames cast before any other use."""

import copy

import onnx
from torch import nn

from export.models.half import Half, Rounded, halve

SIAMESE = ("embed_template", "embed_search", "parts", "look", "tower", "discriminator", "correlator")
PIXEL = ("embed", "enter", "attention.gate", "blocks", "predict")
MASK_LAYERS = (
    *(f"lateral.{level}" for level in range(3)),
    *("edges", "fine", "fine_spatial", "fine_project"),
    *(f"convs.{layer}" for layer in range(4)),
    *("context", "up", "predict", "detail", "coarse", "refine"),
)
HALVED = {
    "LiteMaskRcnnGraph": (
        "detector.trunk",
        "detector.neck",
        *(f"detector.head.{part}.{level}" for part in ("towers", "outputs") for level in range(4)),
        *(f"detector.mask_head.{layer}" for layer in MASK_LAYERS),
        *(f"features.{layer}" for layer in ("trunk", "f8", "down", "fine", "spatial")),
    ),
    "TorchvisionMaskRcnn": ("backbone", "rpn_head", "box_head", "box_predictor", "mask_head", "mask_predictor"),
    "DeepLabFeatures": ("stem", *(f"layers.{layer}" for layer in range(4)), "aspp", "low_level", "decoder", "f8"),
    "SiameseTemplate": (),
    "SiameseRpn": SIAMESE,
    "PixelReference": ("embed",),
    "PixelEmbedding": PIXEL,
}
"""Submodules in half precision, by the graph's class: everything with weights. Boxes, RoIAlign, NMS, softmax and
distances between embeddings stay float32: above 512, float16 resolves half a pixel only, and a distance is a small
difference of large numbers."""


def tensorrt_graph(graph: nn.Module, kind: type[Half] | type[Rounded] = Half) -> nn.Module:
    """A copy of a graph, converted for TensorRT; `Rounded` emulates half precision on a CPU."""
    copied = copy.deepcopy(graph)
    for module in copied.modules():
        if hasattr(module, "fixed_shapes"):
            module.fixed_shapes = True
    for path in HALVED[type(graph).__name__]:
        halve(copied, path, kind)
    return copied.eval()


def cast_bytes_first(model: onnx.ModelProto) -> None:
    """Make a cast the only consumer of every uint8 input: TensorRT allows no other."""
    for value in model.graph.input:
        if value.type.tensor_type.elem_type != onnx.TensorProto.UINT8:
            continue
        cast = f"{value.name}_float"
        for node in model.graph.node:
            for index, name in enumerate(node.input):
                if name == value.name:
                    node.input[index] = cast
        node = onnx.helper.make_node("Cast", [value.name], [cast], f"node_{cast}", to=onnx.TensorProto.FLOAT)
        model.graph.node.insert(0, node)

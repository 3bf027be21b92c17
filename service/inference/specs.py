"""Names, dtypes and shapes of all inputs and outputs of the networks, defined only here.

The export takes names from this module, the `config.pbtxt` files are generated from it, and every client checks outputs
against it. Boxes and windows are x1 y1 x2 y2 in pixels of the *network frame* (the frame as resized by the host), with
continuous edges. Symbols of dynamic axes: B images, F frames, N tracks, H and W the padded canvas (multiples of 32).
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dualtrack.errors import ContractViolation
from service.tracking.anchors import ANCHORS

Dtype = Literal["uint8", "int32", "int64", "float32"]
Axis = int | str
"""A fixed size or the symbol of a dynamic axis."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor: its name in the graph, dtype and shape."""

    name: str
    dtype: Dtype
    shape: tuple[Axis, ...]

    def check(self, array: NDArray[np.generic], graph: str) -> None:
        """Raise ContractViolation unless `array` has this dtype and matches this shape."""
        fits = len(array.shape) == len(self.shape) and all(
            isinstance(want, str) or want == got for want, got in zip(self.shape, array.shape, strict=True)
        )
        if array.dtype != np.dtype(self.dtype) or not fits:
            raise ContractViolation(
                f"{graph}.{self.name}: expected {self.dtype}{list(self.shape)}, got {array.dtype}{list(array.shape)}"
            )


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """One graph of the model repository.

    Attributes:
        name: folder in the repository.
        max_batch_size: Triton's setting; 0 if the worker does the batching (two batch axes).
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_batch_size: int = 0


@dataclass(frozen=True, slots=True)
class ModelDims:
    """The dimensions in which architectures differ.

    Attributes:
        classes: K, length of the class vector (without background).
        slots: D, fixed number of detections that `mask_rcnn` returns per image.
        f4_channels, f8_channels: channels of the shared features at stride 4 and 8.
        template_channels: channels of the Siamese templates.
        embedding: channels of the pixel embedding.
        bank: embeddings per reference bank, foreground and background each.
        window: S, side of a pixel window in samples.
        shared_trunk: `mask_rcnn` also returns f4 and f8; otherwise `pixel_features` does.
    """

    classes: int
    slots: int = 50
    f4_channels: int = 64
    f8_channels: int = 128
    template_channels: int = 128
    embedding: int = 48
    bank: int = 256
    window: int = 64
    shared_trunk: bool = True


LITE = ModelDims(classes=101)
RESNEXT = replace(
    LITE, classes=40, f4_channels=256, f8_channels=256, template_channels=256, embedding=100, shared_trunk=False
)

MASK_SIDE = 28
"""Side of Mask R-CNN's mask grid."""
TEMPLATE_SIDE = 7
BANK = ("foreground_bank", "foreground_valid", "background_bank", "background_valid")
"""Outputs of `pixel_embedding_reference` for the reference frame, and inputs of `pixel_embedding` for all others."""


def graph_specs(dims: ModelDims) -> dict[str, GraphSpec]:
    """All graphs of an architecture by name."""
    frames = (TensorSpec("frames", "uint8", ("B", "H", "W", 3)), TensorSpec("hw", "int32", ("B", 2)))
    features = (
        TensorSpec("f4", "float32", ("B", dims.f4_channels, "H/4", "W/4")),
        TensorSpec("f8", "float32", ("B", dims.f8_channels, "H/8", "W/8")),
    )
    graphs = [_mask_rcnn(dims, frames, features), *_siamese(dims), *_pixel(dims)]
    if not dims.shared_trunk:
        graphs.append(GraphSpec("pixel_features", frames, features, max_batch_size=8))
    return {graph.name: graph for graph in graphs}


def _mask_rcnn(dims: ModelDims, frames: tuple[TensorSpec, ...], features: tuple[TensorSpec, ...]) -> GraphSpec:
    outputs = (
        TensorSpec("boxes", "float32", ("B", dims.slots, 4)),
        TensorSpec("scores", "float32", ("B", dims.slots, dims.classes)),
        TensorSpec("masks", "float32", ("B", dims.slots, MASK_SIDE, MASK_SIDE)),
        TensorSpec("count", "int32", ("B", 1)),
    )
    # masks are the most expensive part, so none are computed for slots that the host drops
    wanted = (TensorSpec("th_det", "float32", ("B", 1)), TensorSpec("max_per_frame", "int32", ("B", 1)))
    return GraphSpec("mask_rcnn", frames + wanted, outputs + (features if dims.shared_trunk else ()), max_batch_size=8)


def _siamese(dims: ModelDims) -> tuple[GraphSpec, ...]:
    f8 = TensorSpec("f8", "float32", ("F", dims.f8_channels, "h8", "w8"))
    frame_index = TensorSpec("frame_index", "int64", ("N",))
    templates = TensorSpec("templates", "float32", ("N", dims.template_channels, TEMPLATE_SIDE, TEMPLATE_SIDE))
    return (
        GraphSpec(
            "siamese_rpn_template",
            (f8, frame_index, TensorSpec("boxes", "float32", ("N", 4))),
            (templates,),
        ),
        GraphSpec(
            "siamese_rpn",
            (f8, frame_index, templates, TensorSpec("windows", "float32", ("N", 4))),
            (
                TensorSpec("scores", "float32", ("N", ANCHORS)),
                TensorSpec("deltas", "float32", ("N", ANCHORS, 4)),
            ),
        ),
    )


def _pixel(dims: ModelDims) -> tuple[GraphSpec, ...]:
    side = dims.window
    f4 = TensorSpec("f4", "float32", ("F", dims.f4_channels, "h4", "w4"))
    frame_index = TensorSpec("frame_index", "int64", ("N",))
    windows = TensorSpec("windows", "float32", ("N", 4))
    embeddings, valid = ("N", dims.bank, dims.embedding), ("N", dims.bank)
    bank = tuple(TensorSpec(name, "float32", embeddings if name.endswith("_bank") else valid) for name in BANK)
    embedding = TensorSpec("embedding", "float32", ("N", dims.embedding, side, side))
    return (
        GraphSpec(
            "pixel_embedding_reference",
            (f4, frame_index, windows, TensorSpec("masks", "float32", ("N", side, side))),
            (*bank, embedding),
        ),
        GraphSpec(
            "pixel_embedding",
            (
                f4,
                frame_index,
                windows,
                *bank,
                TensorSpec("previous_windows", "float32", ("N", 4)),
                TensorSpec("previous_embedding", "float32", embedding.shape),
                TensorSpec("previous_probability", "float32", ("N", side, side)),
            ),
            (TensorSpec("probability", "float32", ("N", side, side)), embedding),
        ),
    )

"""The three clients under one name each, and inputs that every one of them understands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.inference.client import InferenceClient
from service.inference.fake.client import FakeClient
from service.inference.fake.detector import PALETTE
from service.inference.open import open_client
from service.inference.repository.manifest import load_manifest
from service.inference.specs import GraphSpec, TensorSpec
from tests.support.patience import PATIENCE_S
from tests.support.pipelines import REPOSITORY
from tests.support.scenes import Rectangle, draw
from tests.triton.server import Triton

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Backend:
    """How to open one client; `serve` starts the real Triton."""

    name: str
    serve: Callable[[], Triton] | None = None

    async def open(self) -> InferenceClient:
        manifest = load_manifest(REPOSITORY)
        if self.name == "fake":
            return FakeClient(manifest.dims)
        url = self.serve().grpc_url if self.serve else None
        return await open_client(
            manifest, triton_url=url, providers=["CPUExecutionProvider"], threads=1, deadline_s=PATIENCE_S
        )


@dataclass(frozen=True)
class Sizes:
    """Free axes of a call: B images or F frames of `hw` px, N tracks."""

    images: int = 1
    tracks: int = 1
    hw: tuple[int, int] = (128, 192)  # the lite detector takes its 400 best of at least as many cells
    of: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        (height, width), counts = self.hw, {"B": self.images, "F": self.images, "N": self.tracks}
        cells = {f"{axis}{s}": side // s for s in (4, 8) for axis, side in (("h", height), ("w", width))}
        cells |= {f"{axis}/{s}": side // s for s in (4, 8) for axis, side in (("H", height), ("W", width))}
        object.__setattr__(self, "of", {**counts, "H": height, "W": width, **cells})

    def shape(self, tensor: TensorSpec) -> tuple[int, ...]:
        return tuple(self.of[axis] if isinstance(axis, str) else axis for axis in tensor.shape)


def inputs_for(spec: GraphSpec, sizes: Sizes, *, seed: int = 0) -> Arrays:
    """Plausible values for every input: a frame with two objects, boxes that cross its border, random features."""
    rng = np.random.default_rng(seed)
    return {tensor.name: _values(tensor, sizes, rng) for tensor in spec.inputs}


def _values(tensor: TensorSpec, sizes: Sizes, rng: np.random.Generator) -> NDArray[Any]:
    shape = sizes.shape(tensor)
    if tensor.name == "frames":
        scene = [Rectangle(PALETTE[0], 10, 12, 40, 50, (4, 0)), Rectangle(PALETTE[2], 80, 30, 30, 40, (0, 3))]
        return (
            np.stack([draw(scene, t, sizes.hw) for t in range(sizes.images)])
            if sizes.images
            else np.zeros(shape, np.uint8)
        )
    if tensor.name == "hw":
        return np.full(shape, sizes.hw, np.int32)
    if tensor.name == "th_det":
        return np.full(shape, 0.2, np.float32)
    if tensor.name == "max_per_frame":
        return np.full(shape, 20, np.int32)
    if tensor.name == "frame_index":
        return np.arange(sizes.tracks, dtype=np.int64) % sizes.images
    if "windows" in tensor.name or tensor.name == "boxes":
        corner = rng.uniform(-10, 60, (sizes.tracks, 2))
        side = rng.uniform(32, 64, (sizes.tracks, 1))
        return np.concatenate([corner, corner + side], axis=1).astype(np.float32)
    if tensor.name.endswith("_valid"):
        return np.ones(shape, np.float32)
    if tensor.name in ("masks", "previous_probability"):
        return rng.uniform(0, 1, shape).astype(np.float32)
    return rng.standard_normal(shape).astype(np.float32)


def one(inputs: Arrays, spec: GraphSpec, row: int) -> Arrays:
    """The call with only image or track number `row`."""
    return {
        tensor.name: inputs[tensor.name][row : row + 1] if tensor.shape[0] in ("B", "N") else inputs[tensor.name]
        for tensor in spec.inputs
    }

"""Torch against onnxruntime, output by output, at sizes that were not traced. Non-zero exit beyond the tolerance."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from export.sample_inputs import Inputs, frames, tracks
from service.inference.specs import GraphSpec, ModelDims

TOLERANCES = {
    "boxes": 2e-2,  # px
    "scores": 1e-3,
    "masks": 5e-3,  # probability
    "count": 0,
    "f4": 2e-3,  # share of the output's standard deviation, as for all features below
    "f8": 2e-3,
    "templates": 1e-4,
    "deltas": 1e-3,
    "probability": 2e-3,
    "embedding": 1e-3,
    "foreground_bank": 1e-3,
    "foreground_valid": 0,
    "background_bank": 1e-3,
    "background_valid": 0,
}
"""Largest absolute difference per output; relative to the standard deviation for those in `RELATIVE`."""
RELATIVE = frozenset({"f4", "f8", "templates", "embedding", "foreground_bank", "background_bank", "deltas"})


@dataclass(frozen=True)
class Case:
    """One comparison: `name` says what is special."""

    name: str
    inputs: Inputs


@dataclass(frozen=True)
class Row:
    """Worst difference of one output in one case."""

    graph: str
    case: str
    output: str
    error: float
    tolerance: float

    @property
    def ok(self) -> bool:
        """Within the tolerance."""
        return self.error <= self.tolerance


def cases(spec: GraphSpec, dims: ModelDims) -> Iterator[Case]:
    """What a graph is compared on: batch 1 and more, other sizes, nothing to find, boxes across the border."""
    if spec.inputs[0].name == "frames":
        yield Case("one image", frames(1, 160, 256, seed=1))
        yield Case("three images", frames(3, 192, 128, seed=2))
        nothing = frames(1, 128, 160, seed=3)
        # no cell lies inside an image of size 0: no detections
        yield Case("no detections", {**nothing, "hw": torch.zeros_like(nothing["hw"])})
        return
    for count, number, hw in ((1, 1, (160, 224)), (8, 3, (96, 256)), (30, 1, (256, 160))):
        yield Case(f"{count} tracks, {number} frames, border", tracks(spec.name, dims, count, number, hw, seed=count))
    yield Case("no tracks", tracks(spec.name, dims, 0, 1, (128, 128)))


def compare(module: nn.Module, spec: GraphSpec, dims: ModelDims, path: Path) -> list[Row]:
    """All cases of one graph."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    rows = []
    for case in cases(spec, dims):
        with torch.no_grad():
            wanted = module(*(case.inputs[tensor.name] for tensor in spec.inputs))
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        got = session.run(None, {name: value.numpy() for name, value in case.inputs.items()})
        for tensor, one, other in zip(spec.outputs, wanted, got, strict=True):
            error = difference(tensor.name, one.numpy(), other)
            rows.append(Row(spec.name, case.name, tensor.name, error, TOLERANCES[tensor.name]))
    return rows


def difference(name: str, wanted: np.ndarray, got: np.ndarray) -> float:  # type: ignore[type-arg]
    """Largest difference; infinite where the shapes differ."""
    if wanted.shape != got.shape:
        return float("inf")
    if not wanted.size:
        return 0.0
    error = float(np.abs(wanted.astype(np.float64) - got.astype(np.float64)).max())
    return error / max(float(wanted.std()), 1e-6) if name in RELATIVE else error

"""Compares torch and onnxruntime for each output, at sizes other than the traced one."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from export.onnx.sample_inputs import Inputs, clip_frames, frames, tracks
from service.inference.specs import GraphSpec, ModelDims

Array = NDArray[Any]
Tolerances = Mapping[str, float]
Run = Callable[[Inputs], Sequence[Array]]
"""Inputs by name -> outputs in the order of the spec."""

TOLERANCES: Tolerances = {
    "boxes": 1e-2,  # px
    "scores": 2e-4,
    "masks": 1e-3,  # probability
    "count": 0,
    "f4": 1e-3,  # relative to the output's standard deviation, as for all outputs in `RELATIVE`
    "f8": 1e-3,
    "templates": 1e-4,
    "deltas": 1e-4,
    "probability": 2e-4,
    "embedding": 1e-4,
    "foreground_bank": 1e-4,
    "foreground_valid": 0,
    "background_bank": 1e-4,
    "background_valid": 0,
}
"""Maximum absolute difference per output, or per graph and output; relative to the standard deviation for those in
`RELATIVE`."""
HALF_TOLERANCES: Tolerances = {
    **TOLERANCES,
    "boxes": 1.0,
    "scores": 5e-3,
    "masks": 5e-2,
    "mask_rcnn scores": 2e-2,
    "mask_rcnn masks": 1e-1,
    "f4": 5e-2,
    "f8": 5e-2,
    "deltas": 1e-2,
    "probability": 1e-2,
    "embedding": 5e-3,
    "foreground_bank": 5e-3,
    "background_bank": 5e-3,
}
"""The same for layers with weights in half precision.

NMS may then keep the other of two neighboring cells that fit an object equally well: its box differs by a fraction of a
pixel, its classes and mask are within the detector's tolerances.
"""
HALF_LEAST_SCORE = 0.2
"""The service's default `th_det`: both must find detections with at least this score, see `settled`."""
RELATIVE = frozenset({"f4", "f8", "templates", "embedding", "foreground_bank", "background_bank", "deltas"})


@dataclass(frozen=True)
class Case:
    """Inputs of one comparison; `name` describes them."""

    name: str
    inputs: Inputs


@dataclass(frozen=True)
class Parity:
    """Worst difference of one output in one case; `detections` for graphs that return detections."""

    graph: str
    case: str
    output: str
    error: float
    tolerance: float
    detections: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.error <= self.tolerance


def cases(spec: GraphSpec, dims: ModelDims, clip: Path | None = None) -> Iterator[Case]:
    """Inputs for comparing a graph: batches of 1 and more, other sizes, nothing to find, boxes across the border.

    Args:
        spec: of the graph.
        dims: of the architecture.
        clip: a video whose frames are added, since trained weights find little in random images.
    """
    if spec.inputs[0].name == "frames":
        yield Case("one image", frames(1, 160, 256, seed=1))
        yield Case("three images", frames(3, 192, 128, seed=2))
        nothing = frames(1, 128, 160, seed=3)
        yield Case("no detections", {**nothing, "hw": torch.zeros_like(nothing["hw"])})
        if clip is not None:
            yield Case("frames of a video", clip_frames(clip, 2))
        return
    for count, number, hw in ((1, 1, (160, 224)), (8, 3, (96, 256)), (30, 1, (256, 160))):
        name = f"{count} tracks, {number} frames, over the border"
        yield Case(name, tracks(spec.name, dims, count, number, hw, seed=count))
    yield Case("no tracks", tracks(spec.name, dims, 0, 1, (128, 128)))


def compare(
    module: nn.Module,
    spec: GraphSpec,
    dims: ModelDims,
    path: Path,
    clip: Path | None = None,
    tolerances: Tolerances = TOLERANCES,
) -> list[Parity]:
    """Compare a graph's file with its module in all cases."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(inputs: Inputs) -> Sequence[Array]:
        outputs: Sequence[Array] = session.run(None, {name: value.numpy() for name, value in inputs.items()})
        return outputs

    return compare_runs(module, run, spec, cases(spec, dims, clip), tolerances)


def compare_modules(
    module: nn.Module,
    other: nn.Module,
    spec: GraphSpec,
    dims: ModelDims,
    clip: Path | None = None,
    tolerances: Tolerances = TOLERANCES,
) -> list[Parity]:
    """Compare two modules of one graph in all cases."""

    def run(inputs: Inputs) -> Sequence[Array]:
        return _run_module(other, spec, inputs)

    return compare_runs(module, run, spec, cases(spec, dims, clip), tolerances)


def compare_runs(
    module: nn.Module, run: Run, spec: GraphSpec, on: Iterable[Case], tolerances: Tolerances
) -> list[Parity]:
    """Compare a module with another implementation of its graph."""
    return [row for case in on for row in _compare_case(module, run, spec, case, tolerances)]


def _run_module(module: nn.Module, spec: GraphSpec, inputs: Inputs) -> Sequence[Array]:
    with torch.no_grad():
        result = module(*(inputs[tensor.name] for tensor in spec.inputs))
    return [value.numpy() for value in (result if isinstance(result, tuple) else (result,))]


def _compare_case(module: nn.Module, run: Run, spec: GraphSpec, case: Case, tolerances: Tolerances) -> Iterator[Parity]:
    names = [tensor.name for tensor in spec.outputs]
    wanted = dict(zip(names, _run_module(module, spec, case.inputs), strict=True))
    got = dict(zip(names, run({tensor.name: case.inputs[tensor.name] for tensor in spec.inputs}), strict=True))
    detections = int(wanted["count"].sum()) if "count" in wanted else None
    if detections is not None:
        got = match_slots(wanted, got, tolerances["scores"])
        if tolerances is HALF_TOLERANCES:
            wanted, got = settled(wanted, got, HALF_LEAST_SCORE)
    for name in names:
        error = difference(name, wanted[name], got[name])
        tolerance = tolerances.get(f"{spec.name} {name}", tolerances[name])
        yield Parity(spec.name, case.name, name, error, tolerance, detections)


def difference(name: str, wanted: Array, got: Array) -> float:
    """Maximum difference; infinite if shapes or dtypes differ or a value is not finite."""
    if wanted.shape != got.shape or wanted.dtype != got.dtype or not np.isfinite(got).all():
        return float("inf")
    if not wanted.size:
        return 0.0
    error = float(np.abs(wanted.astype(np.float64) - got.astype(np.float64)).max())
    return error / max(float(wanted.std()), 1e-6) if name in RELATIVE else error


def worst_rows(rows: Iterable[Parity]) -> list[Parity]:
    """For each output of each graph, the case closest to or furthest beyond its tolerance."""
    worst: dict[tuple[str, str], Parity] = {}
    for row in rows:
        other = worst.setdefault((row.graph, row.output), row)
        if row.error > other.error:
            worst[row.graph, row.output] = row
    return list(worst.values())


def match_slots(wanted: dict[str, Array], got: dict[str, Array], tie: float = TOLERANCES["scores"]) -> dict[str, Array]:
    """`got` with its detections in the order of `wanted`'s.

    Detections are sorted by score, so slots agree; only those whose scores differ by at most `tie` may be swapped, and
    among these the one with the nearest box is the same detection.
    """
    per_slot = ("boxes", "scores", "masks")
    if any(wanted[name].shape != got[name].shape for name in per_slot):
        return got
    orders = [
        _order(*(side[name][image] for side in (wanted, got) for name in ("scores", "boxes")), tie)
        for image in range(len(wanted["boxes"]))
    ]
    moved = {name: np.stack([got[name][i][order] for i, order in enumerate(orders)]) for name in per_slot}
    return {**got, **moved}


def settled(wanted: dict[str, Array], got: dict[str, Array], least: float) -> tuple[dict[str, Array], dict[str, Array]]:
    """Both without the detections below `least` in both: which of those NMS keeps depends on ties."""
    per_slot = ("boxes", "scores", "masks")
    if any(wanted[name].shape != got[name].shape for name in per_slot):
        return wanted, got
    kept = np.maximum(wanted["scores"].max(2), got["scores"].max(2)) >= least
    emptied = [{**side, **{name: _emptied(side[name], kept) for name in per_slot}} for side in (wanted, got)]
    return emptied[0], emptied[1]


def _emptied(values: Array, kept: Array) -> Array:
    """Values (B, D, ...) with 0 in the slots not kept (B, D)."""
    emptied: Array = values * kept.reshape(*kept.shape, *[1] * (values.ndim - 2)).astype(values.dtype)
    return emptied


def _order(scores: Array, boxes: Array, other_scores: Array, other_boxes: Array, tie: float) -> Sequence[int]:
    free = list(range(len(boxes)))
    order = []
    best, other_best = scores.max(1), other_scores.max(1)
    for slot in range(len(boxes)):
        tied = [other for other in free if abs(other_best[other] - best[slot]) <= tie]
        nearest = min(tied or free, key=lambda other: float(np.abs(other_boxes[other] - boxes[slot]).max()))
        free.remove(nearest)
        order.append(nearest)
    return order

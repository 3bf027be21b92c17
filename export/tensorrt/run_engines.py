"""Compares built engines with the CPU version and times calls; needs the GPU they were built on."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from dualtrack.errors import ConfigurationError
from export.onnx.graphs import Graphs
from export.onnx.parity import HALF_TOLERANCES, Array, Case, Parity, compare_runs
from export.onnx.sample_inputs import Inputs, clip_frames, frames, tracks
from service.inference.repository.manifest import load_manifest, verify
from service.inference.specs import GraphSpec, ModelDims, graph_specs
from service.pipeline.parameters.params import DetectorParams

CALLS = 20


class BuiltEngine:
    """An engine in this process, with torch tensors.

    Args:
        plan: the engine's file.
        spec: of its graph.
        trt: see `load_library`.

    Raises:
        ConfigurationError: there is no GPU, or the engine was built for a different one.
    """

    def __init__(self, plan: Path, spec: GraphSpec, trt: Any) -> None:
        if not torch.cuda.is_available():
            raise ConfigurationError(f"{plan}: expected a GPU to run the engine on, torch finds none")
        self._spec = spec
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.WARNING))
        self._engine = self._runtime.deserialize_cuda_engine(plan.read_bytes())
        if self._engine is None:
            raise ConfigurationError(f"{plan}: expected an engine for this GPU and TensorRT {trt.__version__}")
        self._context = self._engine.create_execution_context()

    def run(self, inputs: Inputs) -> Sequence[Array]:
        """Outputs in the order of the spec."""
        outputs = self._call({name: value.contiguous().cuda() for name, value in inputs.items()})
        return [outputs[tensor.name].cpu().numpy() for tensor in self._spec.outputs]

    def milliseconds(self, inputs: Inputs) -> float:
        """Median duration of a call, with inputs already on the GPU."""
        there = {name: value.contiguous().cuda() for name, value in inputs.items()}
        spent = []
        for _ in range(CALLS):
            start = time.perf_counter()
            self._call(there)
            spent.append(1000 * (time.perf_counter() - start))
        return median(spent)

    def _call(self, inputs: Inputs) -> Inputs:
        stream = torch.cuda.current_stream()
        self._context.set_optimization_profile_async(self._profile(inputs), stream.cuda_stream)
        for name, value in inputs.items():
            self._context.set_input_shape(name, tuple(value.shape))
            self._context.set_tensor_address(name, value.data_ptr())
        outputs = {}
        for tensor in self._spec.outputs:
            shape = tuple(self._context.get_tensor_shape(tensor.name))
            outputs[tensor.name] = torch.empty(shape, dtype=getattr(torch, tensor.dtype), device="cuda")
            self._context.set_tensor_address(tensor.name, outputs[tensor.name].data_ptr())
        if not self._context.execute_async_v3(stream.cuda_stream):
            raise ConfigurationError(f"{self._spec.name}: TensorRT failed to run the engine; see its log")
        stream.synchronize()
        return outputs

    def _profile(self, inputs: Inputs) -> int:
        for number in range(self._engine.num_optimization_profiles):
            ranges = {name: self._engine.get_tensor_profile_shape(name, number) for name in inputs}
            if all(
                all(low <= size <= high for low, size, high in zip(least, inputs[name].shape, most, strict=True))
                for name, (least, _, most) in ranges.items()
            ):
                return number
        shapes = {name: tuple(value.shape) for name, value in inputs.items()}
        raise ConfigurationError(f"{self._spec.name}: expected shapes within a profile of the engine, got {shapes}")


def compare_engines(
    folder: Path, graphs: Graphs, dims: ModelDims, trt: Any, clip: Path | None = None
) -> tuple[list[Parity], dict[str, float]]:
    """Compare all engines of a repository with their modules; also the milliseconds per call by graph and case.

    Raises:
        ConfigurationError: an engine is missing, differs from the manifest or can't be run.
    """
    manifest = load_manifest(folder)
    verify(manifest)
    rows: list[Parity] = []
    times: dict[str, float] = {}
    for name, spec in graph_specs(dims).items():
        engine = BuiltEngine(manifest.graph_path(name), spec, trt)
        for case in engine_cases(spec, dims, clip):
            rows += compare_runs(graphs[name], engine.run, spec, [case], HALF_TOLERANCES)
            times[f"{name}, {case.name}"] = engine.milliseconds(case.inputs)
    return rows, times


def engine_cases(spec: GraphSpec, dims: ModelDims, clip: Path | None = None) -> Iterator[Case]:
    """Inputs for comparing engines: canvases of both profiles, with 1, 10 and many tracks."""
    detector = DetectorParams()
    lying = (detector.short_side, detector.long_side)
    if spec.inputs[0].name == "frames":
        yield Case("landscape", frames(1, *lying, seed=1))
        yield Case("two in portrait", frames(2, *lying[::-1], seed=2))
        if clip is not None:
            yield Case("frames of a video", clip_frames(clip, 2))
        return
    for count, hw in ((1, lying), (10, lying), (30, lying[::-1])):
        yield Case(f"{count} tracks", tracks(spec.name, dims, count, 1, hw, seed=count))

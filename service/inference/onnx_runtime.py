"""Runs graphs in this process with onnxruntime. The only module of the service that uses it."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from dualtrack.errors import ConfigurationError, InferenceError
from service.inference.checks import check_inputs, check_outputs, empty_outputs
from service.inference.client import Tensors
from service.inference.repository.manifest import ONNX_FILE, Manifest
from service.inference.repository.signature import FoundTensor, Signature
from service.inference.specs import GraphSpec

ERRORS = (
    ort_errors.EPFail,
    ort_errors.EngineError,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoModel,
    ort_errors.NoSuchFile,
    ort_errors.NotFound,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    RuntimeError,
    ValueError,
)
"""onnxruntime's exceptions, which have no common base class, and two of Python's that it raises."""
# do not send model names to anyone
onnxruntime.disable_telemetry_events()

LOG_ERRORS_ONLY = 3
DTYPES = {"float": "float32", "double": "float64"}
"""onnxruntime's names of dtypes, if they differ from numpy's."""


class OnnxRuntimeClient:
    """Sessions for all graphs of a repository, all opened at creation.

    Args:
        manifest: the repository.
        providers: execution providers in order of preference.
        threads: per session.

    Raises:
        ConfigurationError: a graph can't be loaded, or runs on a provider other than the requested one.
    """

    def __init__(self, manifest: Manifest, *, providers: Sequence[str], threads: int) -> None:
        _check_providers(providers)
        if manifest.file != ONNX_FILE:
            raise ConfigurationError(
                f"{manifest.path}: expected ONNX graphs ({ONNX_FILE}), the repository has "
                f"{manifest.file}; TensorRT engines need Triton (set DUALTRACK_TRITON_URL)"
            )
        self._closed = False
        self.runtime = _runtime(providers)
        self._sessions = {
            name: _open(f"model {name}", manifest.graph_path(name), providers, threads) for name in manifest.graphs
        }

    async def infer(self, spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]]) -> Tensors:
        """See `InferenceClient.infer`."""
        if self._closed:
            raise InferenceError(f"{spec.name}: the client is closed")
        check_inputs(spec, inputs)
        if (nothing := empty_outputs(spec, inputs)) is not None:
            return nothing
        session = self._sessions.get(spec.name)
        if session is None:
            raise InferenceError(f"{spec.name}: unknown graph, the repository has {sorted(self._sessions)}")
        names = [tensor.name for tensor in spec.outputs]
        try:
            values = await asyncio.to_thread(session.run, names, dict(inputs))
        except ERRORS as error:
            raise InferenceError(f"{spec.name}: {error}") from error
        outputs: Tensors = dict(zip(names, values, strict=True))
        check_outputs(spec, outputs, inputs)
        return outputs

    async def close(self) -> None:
        """Drop the sessions."""
        self._closed = True
        self._sessions.clear()


class OnnxFile:
    """A single external graph, whose tensors are not in our specs.

    Args:
        path: the ONNX file.
        providers: execution providers in order of preference.
        threads: of the session.

    Raises:
        ConfigurationError: the file can't be loaded, or runs on a provider other than the requested one.
    """

    def __init__(self, path: Path, *, providers: Sequence[str], threads: int) -> None:
        _check_providers(providers)
        self._what = f"detector {path.name}"
        self.runtime = _runtime(providers)
        self._session = _open(self._what, path, providers, threads)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(tensor.name for tensor in self._session.get_inputs())

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return tuple(tensor.name for tensor in self._session.get_outputs())

    async def run(self, names: Sequence[str], inputs: Mapping[str, NDArray[np.generic]]) -> Tensors:
        """The outputs with these names.

        Raises:
            InferenceError: the graph failed.
        """
        try:
            values = await asyncio.to_thread(self._session.run, list(names), dict(inputs))
        except ERRORS as error:
            raise InferenceError(f"{self._what}: {error}") from error
        return dict(zip(names, values, strict=True))


def signature(what: str, path: Path) -> Signature:
    """The inputs and outputs of a graph's file.

    Args:
        what: names the graph in errors.
        path: the ONNX file.

    Raises:
        ConfigurationError: the file can't be loaded.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = LOG_ERRORS_ONLY
    # it is not run, and optimizing it would take longer than reading it
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except ERRORS as error:
        raise ConfigurationError(f"{what}: onnxruntime can't load {path}: {error}") from error
    sides = (session.get_inputs(), session.get_outputs())
    return Signature(*(tuple(_found(tensor) for tensor in side) for side in sides))


def _found(tensor: onnxruntime.NodeArg) -> FoundTensor:
    dtype = tensor.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(axis if isinstance(axis, int) else None for axis in tensor.shape)
    return FoundTensor(tensor.name, DTYPES.get(dtype, dtype), shape)


def _runtime(providers: Sequence[str]) -> str:
    """See `InferenceClient.runtime`."""
    return f"onnxruntime {onnxruntime.__version__} {' '.join(providers)}"


def _check_providers(providers: Sequence[str]) -> None:
    """Check explicitly, as onnxruntime only warns about a provider that the build lacks."""
    available = onnxruntime.get_available_providers()
    missing = [name for name in providers if name not in available]
    if missing or not providers:
        raise ConfigurationError(f"onnxruntime: expected providers {list(providers)}, this build has {available}")


def _open(what: str, path: Path, providers: Sequence[str], threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = LOG_ERRORS_ONLY
    # spinning threads starve others if cores are shared
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        # without enable_fallback=0 a failing provider is replaced by the CPU, even in the middle of a job
        session = onnxruntime.InferenceSession(str(path), options, providers=list(providers), enable_fallback=0)
    except ERRORS as error:
        raise ConfigurationError(f"{what}: onnxruntime can't load {path}: {error}") from error
    used = session.get_providers()[0]
    if used != providers[0]:
        # a provider whose libraries can't be loaded is silently omitted
        raise ConfigurationError(f"{what}: expected the provider {providers[0]}, onnxruntime uses {used}")
    return session

"""ONNX sources of the TensorRT repository → engines, with TensorRT's parser and builder (package `tensorrt`).

An engine only works on the GPU model and TensorRT version it was built with, so build it on the machine of Triton.
"""

import hashlib
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dualtrack.errors import ConfigurationError
from export.repository.profiles import Profile, profiles
from export.repository.triton_config import write_own_configs
from service.inference.repository.manifest import ENGINE_FILE, MANIFEST, Manifest, load_manifest
from service.inference.specs import graph_specs

LIBRARY = "tensorrt"
OLDEST = 10
"""Minimum version of TensorRT: earlier ones lack int64, the type of track indices."""
WORKSPACE_BYTES = 4 << 30


def source_path(folder: Path, graph: str) -> Path:
    """The ONNX source of a graph's engine; Triton ignores folders whose names are not numbers."""
    return folder / graph / "source" / "model.onnx"


def load_library(name: str = LIBRARY) -> Any:
    """TensorRT's Python package.

    Raises:
        ConfigurationError: it is not installed, or too old.
    """
    try:
        library = importlib.import_module(name)
    except ImportError as error:
        raise ConfigurationError(
            f"engines: expected the package `{name}`, version {OLDEST} or later, to parse graphs and build engines; "
            f"it can't be imported ({error}). On a machine with an NVIDIA GPU: pip install tensorrt-cu13 (or "
            "-cu12), or run this in NVIDIA's Triton or TensorRT image. The repository's graphs are complete without"
        ) from error
    if int(library.__version__.split(".")[0]) < OLDEST:
        raise ConfigurationError(f"engines: expected {name} {OLDEST} or later, found {library.__version__}")
    return library


def build_engines(folder: Path, trt: Any, report: Callable[[str], None]) -> list[Path]:
    """Build the engines of a repository, then rewrite manifest and configurations; returns the engines' files.

    Args:
        folder: written by `write_tensorrt_repository`.
        trt: see `load_library`.
        report: called with a line per engine.

    Raises:
        ConfigurationError: the repository is of another kind, a source has changed, or TensorRT rejects a graph.
    """
    manifest = load_manifest(folder)
    if manifest.file != ENGINE_FILE:
        raise ConfigurationError(
            f"{folder}: expected a repository of `dualtrack export tensorrt`, got one of ONNX files"
        )
    document = json.loads((folder / MANIFEST).read_text())
    specs = graph_specs(manifest.dims)
    paths = []
    for graph, entry in document["graphs"].items():
        source = _source(manifest, graph, entry["source_sha256"])
        plan = build_engine(graph, source, profiles(specs[graph]), trt)
        path = manifest.graph_path(graph)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(plan)
        entry |= {"sha256": hashlib.sha256(plan).hexdigest(), "bytes": len(plan), "tensorrt": trt.__version__}
        report(f"{path}: {len(plan) / 1e6:.1f} MB")
        paths.append(path)
    (folder / MANIFEST).write_text(json.dumps(document, indent=1) + "\n")
    write_own_configs(folder)
    return paths


def build_engine(graph: str, source: bytes, shapes: tuple[Profile, ...], trt: Any) -> bytes:
    """Build one engine, strongly typed: half precision is used exactly where the graph has it.

    Args:
        graph: its name, for errors.
        source: the ONNX file.
        shapes: its optimization profiles.
        trt: see `load_library`.

    Raises:
        ConfigurationError: TensorRT rejects the graph or can't build it.
    """
    builder, network = parse(trt, source, trt.Logger(trt.Logger.WARNING), graph)
    config = _configuration(trt, builder, shapes)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ConfigurationError(f"{graph}: TensorRT {trt.__version__} failed to build an engine; see its log")
    return bytes(plan)


def parse(trt: Any, source: bytes, logger: Any, graph: str = "graph") -> tuple[Any, Any]:
    """TensorRT's builder, and the network parsed from an ONNX file.

    Raises:
        ConfigurationError: TensorRT rejects the graph.
    """
    trt.init_libnvinfer_plugins(logger, "")  # RoIAlign is one of TensorRT's plugins
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(source):
        errors = "; ".join(parser.get_error(index).desc() for index in range(parser.num_errors))
        raise ConfigurationError(f"{graph}: TensorRT {trt.__version__} rejects the graph: {errors}")
    return builder, network


def _configuration(trt: Any, builder: Any, shapes: tuple[Profile, ...]) -> Any:
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    # TF32 has only the mantissa of float16, and layers are kept in float32 for precision
    config.clear_flag(trt.BuilderFlag.TF32)
    for entry in shapes:
        profile = builder.create_optimization_profile()
        for name, (least, usual, most) in entry.shapes.items():
            profile.set_shape(name, least, usual, most)
        config.add_optimization_profile(profile)
    return config


def _source(manifest: Manifest, graph: str, wanted: str) -> bytes:
    path = source_path(manifest.path, graph)
    if not path.is_file():
        raise ConfigurationError(f"{graph}: expected {path}, which does not exist")
    source = path.read_bytes()
    if (got := hashlib.sha256(source).hexdigest()) != wanted:
        raise ConfigurationError(f"{graph}: expected sha256 {wanted[:16]}…, {path} has {got[:16]}…")
    return source

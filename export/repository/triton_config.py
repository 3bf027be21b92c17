"""`config.pbtxt` of a graph, generated from its spec; complete, so that Triton does not infer anything."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path

from dualtrack.errors import ConfigurationError
from export.repository.profiles import profiles
from service.inference.repository.manifest import (
    ENGINE_FILE,
    MANIFEST,
    SERVED_VERSIONS,
    Manifest,
    load_manifest,
    load_releases,
)
from service.inference.repository.triton_parameters import release_parameter, sha256_parameter
from service.inference.specs import GraphSpec, TensorSpec, graph_specs

TYPES = {"uint8": "TYPE_UINT8", "int32": "TYPE_INT32", "int64": "TYPE_INT64", "float32": "TYPE_FP32"}
QUEUE_DELAY_US = 2000
QUEUE_SIZE = 64
QUEUE_TIMEOUT_US = 30_000_000
PRIORITY_LEVELS = 2
"""1: a single frame that tracking waits for; 2: a batch of the stage `detect`."""
ENGINE_PLATFORM = ('platform: "tensorrt_plan"', 'backend: "tensorrt"')
WORKSPACE_BYTES = 4 << 30
ENGINE_CACHE = "/var/cache/dualtrack/tensorrt"
"""In the server's container; with a volume here, engines persist across restarts."""
WARM_CANVAS_HW = (384, 640)
"""The padded canvas of 16:9 videos, the most likely size of the first request."""


class Accelerator(StrEnum):
    """Accelerators to which onnxruntime's GPU sessions delegate subgraphs, before CUDA."""

    TENSORRT = "tensorrt"


def write_configs(repository: Path, specs: Iterable[GraphSpec], accelerator: Accelerator | None = None) -> list[Path]:
    """Write the configuration of every graph; returns the files.

    If the repository has a manifest, the configurations also identify the file of each served version.
    """
    releases = load_releases(repository) if (repository / MANIFEST).is_file() else []
    paths = []
    for spec in specs:
        path = repository / spec.name / "config.pbtxt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(triton_config(spec, releases, accelerator))
        paths.append(path)
    return paths


def write_own_configs(repository: Path, accelerator: Accelerator | None = None) -> list[Path]:
    """Write the configurations of a repository that has a manifest.

    Raises:
        ConfigurationError: an accelerator was given for a repository of engines.
    """
    current = load_manifest(repository)
    if accelerator is not None and current.file == ENGINE_FILE:
        raise ConfigurationError(f"{repository}: expected ONNX graphs to accelerate with {accelerator}, got engines")
    specs = graph_specs(current.dims)
    return write_configs(repository, [specs[name] for name in current.graphs], accelerator)


def triton_config(spec: GraphSpec, releases: Sequence[Manifest] = (), accelerator: Accelerator | None = None) -> str:
    """Text of the configuration.

    The server batches `mask_rcnn` and `pixel_features`; the track graphs have two batch axes, so the worker batches
    them and `max_batch_size` is 0.

    Args:
        spec: the graph.
        releases: manifests of the versions in the repository; the kind of their files determines the backend.
        accelerator: for onnxruntime on a GPU.
    """
    engines = any(release.file == ENGINE_FILE for release in releases)
    parts = [
        f'name: "{spec.name}"',
        *(ENGINE_PLATFORM if engines else ['backend: "onnxruntime"']),
        f"max_batch_size: {spec.max_batch_size}",
        _tensors("input", spec.inputs, spec.max_batch_size),
        _tensors("output", spec.outputs, spec.max_batch_size),
        *(_engine_instance(spec) if engines else _session(spec, accelerator)),
        *_identity(spec.name, releases),
        f"version_policy: {{ latest {{ num_versions: {SERVED_VERSIONS} }} }}",
    ]
    if spec.max_batch_size:
        parts.append(_dynamic_batching())
    parts.append(_warm_up(spec))
    return "\n".join(["# Written by `dualtrack export triton-config`; do not edit.", *parts]) + "\n"


def _session(spec: GraphSpec, accelerator: Accelerator | None) -> list[str]:
    """Settings of a graph run by onnxruntime."""
    lines = ["instance_group [ { count: 1 kind: KIND_AUTO } ]", _parameter("intra_op_thread_count", "1")]
    return lines if accelerator is None else [*lines, _accelerators(spec)]


def _engine_instance(spec: GraphSpec) -> list[str]:
    """Settings of an engine; the server uses the profile whose typical shapes are closest to the request's."""
    numbers = ", ".join(f'"{number}"' for number in range(len(profiles(spec))))
    return [f"instance_group [ {{ count: 1 kind: KIND_GPU profile: [ {numbers} ] }} ]"]


def _accelerators(spec: GraphSpec) -> str:
    """The TensorRT provider of onnxruntime, which builds an engine at the first run of a shape.

    Graphs that it runs as a whole get the shapes of a profile, so that no later request triggers a rebuild. Graphs that
    take frames are split into parts, and would need shapes for every part. Half precision is disabled, as the provider
    would use it for boxes and distances, too.
    """
    pairs = {
        "precision_mode": "FP32",
        "max_workspace_size_bytes": str(WORKSPACE_BYTES),
        "trt_engine_cache_enable": "true",
        "trt_engine_cache_path": ENGINE_CACHE,
        "trt_timing_cache_enable": "true",
    }
    if not spec.max_batch_size:
        pairs |= {f"trt_profile_{key}_shapes": shapes for key, shapes in _envelope(spec).items()}
    lines = "\n".join(f'    parameters {{ key: "{key}" value: "{value}" }}' for key, value in pairs.items())
    return (
        "optimization { execution_accelerators {\n"
        f'  gpu_execution_accelerator [ {{\n    name: "tensorrt"\n{lines}\n  }} ]\n}} }}'
    )


def _envelope(spec: GraphSpec) -> dict[str, str]:
    """Minimum, typical and maximum shapes over all profiles, as the provider has a single one."""
    found = profiles(spec)
    texts: dict[str, list[str]] = {"min": [], "opt": [], "max": []}
    for name in found[0].shapes:
        least, usual, most = zip(*(profile.shapes[name] for profile in found), strict=True)
        for key, shape in (
            ("min", [min(sizes) for sizes in zip(*least, strict=True)]),
            ("opt", usual[0]),
            ("max", [max(sizes) for sizes in zip(*most, strict=True)]),
        ):
            texts[key].append(f"{name}:{'x'.join(map(str, shape))}")
    return {key: ",".join(entries) for key, entries in texts.items()}


def _tensors(kind: str, specs: tuple[TensorSpec, ...], max_batch_size: int) -> str:
    return f"{kind} [\n" + ",\n".join(f"  {_tensor(spec, max_batch_size)}" for spec in specs) + "\n]"


def _tensor(spec: TensorSpec, max_batch_size: int) -> str:
    axes = spec.shape[1:] if max_batch_size else spec.shape
    dims = ", ".join("-1" if isinstance(axis, str) else str(axis) for axis in axes)
    return f'{{ name: "{spec.name}" data_type: {TYPES[spec.dtype]} dims: [ {dims} ] }}'


def _parameter(key: str, value: str) -> str:
    return f'parameters {{ key: "{key}" value: {{ string_value: "{value}" }} }}'


def _identity(graph: str, releases: Sequence[Manifest]) -> list[str]:
    """Identity of each version, which the start-up check reads back from the server."""
    lines = []
    for manifest in sorted(releases, key=lambda manifest: manifest.number):
        lines.append(_parameter(release_parameter(manifest.number), manifest.release))
        lines.append(_parameter(sha256_parameter(manifest.number), manifest.graphs[graph]))
    return lines


def _dynamic_batching() -> str:
    policy = (
        f"timeout_action: REJECT default_timeout_microseconds: {QUEUE_TIMEOUT_US} "
        f"allow_timeout_override: true max_queue_size: {QUEUE_SIZE}"
    )
    return (
        f"dynamic_batching {{\n  max_queue_delay_microseconds: {QUEUE_DELAY_US}\n"
        f"  priority_levels: {PRIORITY_LEVELS}\n  default_priority_level: {PRIORITY_LEVELS}\n"
        f"  default_queue_policy {{ {policy} }}\n}}"
    )


def _warm_up(spec: GraphSpec) -> str:
    """A run on zeros while the model loads, since onnxruntime plans and allocates at the first run of a shape."""
    height, width = WARM_CANVAS_HW
    sizes = {"B": 1, "F": 1, "N": 1, "H": height, "W": width}
    sizes |= {f"{axis}{stride}": side // stride for stride in (4, 8) for axis, side in (("h", height), ("w", width))}
    inputs = "\n".join(f"  {_warm_input(tensor, sizes, spec.max_batch_size)}" for tensor in spec.inputs)
    return f'model_warmup [ {{ name: "{height}x{width}" batch_size: {min(spec.max_batch_size, 1)}\n{inputs}\n}} ]'


def _warm_input(tensor: TensorSpec, sizes: dict[str, int], max_batch_size: int) -> str:
    axes = tensor.shape[1:] if max_batch_size else tensor.shape
    dims = ", ".join(str(sizes[axis] if isinstance(axis, str) else axis) for axis in axes)
    value = f"{{ data_type: {TYPES[tensor.dtype]} dims: [ {dims} ] zero_data: true }}"
    return f'inputs {{ key: "{tensor.name}" value: {value} }}'

"""`config.pbtxt` of a graph, written from its spec; complete, so that Triton need not guess."""

from collections.abc import Iterable
from pathlib import Path

from service.inference.specs import GraphSpec, TensorSpec

TYPES = {"uint8": "TYPE_UINT8", "int32": "TYPE_INT32", "int64": "TYPE_INT64", "float32": "TYPE_FP32"}
QUEUE_DELAY_US = 2000
QUEUE_SIZE = 64
QUEUE_TIMEOUT_US = 30_000_000


def write_configs(repository: Path, specs: Iterable[GraphSpec]) -> list[Path]:
    """Write the configuration of every graph; the files."""
    paths = []
    for spec in specs:
        path = repository / spec.name / "config.pbtxt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(triton_config(spec))
        paths.append(path)
    return paths


def triton_config(spec: GraphSpec) -> str:
    """Text of the configuration.

    `mask_rcnn` and `pixel_features` are batched by the server; the track graphs have two batch axes, so the worker
    batches and `max_batch_size` is 0.
    """
    parts = [
        f'name: "{spec.name}"',
        'backend: "onnxruntime"',
        f"max_batch_size: {spec.max_batch_size}",
        _tensors("input", spec.inputs, spec.max_batch_size),
        _tensors("output", spec.outputs, spec.max_batch_size),
        "instance_group [ { count: 1 kind: KIND_AUTO } ]",
        'parameters { key: "intra_op_thread_count" value: { string_value: "1" } }',
        "version_policy: { latest { num_versions: 1 } }",
    ]
    if spec.max_batch_size:
        parts.append(_dynamic_batching())
    return "\n".join(["# Written by `dualtrack export triton-config`; do not edit.", *parts]) + "\n"


def _tensors(kind: str, specs: tuple[TensorSpec, ...], max_batch_size: int) -> str:
    return f"{kind} [\n" + ",\n".join(f"  {_tensor(spec, max_batch_size)}" for spec in specs) + "\n]"


def _tensor(spec: TensorSpec, max_batch_size: int) -> str:
    axes = spec.shape[1:] if max_batch_size else spec.shape
    dims = ", ".join("-1" if isinstance(axis, str) else str(axis) for axis in axes)
    return f'{{ name: "{spec.name}" data_type: {TYPES[spec.dtype]} dims: [ {dims} ] }}'


def _dynamic_batching() -> str:
    return (
        f"dynamic_batching {{\n  max_queue_delay_microseconds: {QUEUE_DELAY_US}\n  default_queue_policy {{\n"
        f"    timeout_action: REJECT default_timeout_microseconds: {QUEUE_TIMEOUT_US} "
        f"allow_timeout_override: true max_queue_size: {QUEUE_SIZE}\n  }}\n}}"
    )

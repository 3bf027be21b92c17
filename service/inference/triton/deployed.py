"""The models that a server has, compared with the manifest and with the specs of their tensors."""

from typing import Any

from dualtrack.errors import ConfigurationError
from service.inference.repository.manifest import ENGINE_FILE, Manifest
from service.inference.repository.triton_parameters import check_parameters
from service.inference.specs import GraphSpec, TensorSpec
from service.inference.triton.messages import TRITON_DTYPES

ENGINE_BACKEND = "tensorrt"


def compare_release(manifest: Manifest, model: str, config: Any) -> None:
    """Check that a model is of the manifest's release, and of the backend that runs its files.

    Raises:
        ConfigurationError: it is not.
    """
    if manifest.file == ENGINE_FILE and config.backend != ENGINE_BACKEND:
        raise ConfigurationError(
            f"model {model}: expected the backend {ENGINE_BACKEND} (manifest of {manifest.path} names "
            f"{ENGINE_FILE}), the server uses {config.backend!r}"
        )
    parameters = {key: value.string_value for key, value in config.parameters.items()}
    check_parameters(manifest, model, parameters, "the server")


def placement(config: Any) -> str:
    """What runs a model, and on what: its backend, the kinds of its instances, its accelerators."""
    kinds = {group.Kind.Name(group.kind) for group in config.instance_group}
    accelerators = config.optimization.execution_accelerators
    named = [*accelerators.gpu_execution_accelerator, *accelerators.cpu_execution_accelerator]
    return " ".join([config.backend, *sorted(kinds), *(item.name for item in named)])


def compare_tensors(spec: GraphSpec, metadata: object) -> None:
    """Check names, types and shapes of a model's tensors.

    Raises:
        ConfigurationError: one differs; names model, tensor, expected and found.
    """
    for kind, tensors in (("inputs", spec.inputs), ("outputs", spec.outputs)):
        found = {item.name: item for item in getattr(metadata, kind)}
        for tensor in tensors:
            if tensor.name not in found:
                raise ConfigurationError(f"model {spec.name}: expected {kind} {tensor.name}, found {sorted(found)}")
            _compare_tensor(spec.name, tensor, found[tensor.name].datatype, list(found[tensor.name].shape))


def _compare_tensor(model: str, tensor: TensorSpec, dtype: str, shape: list[int]) -> None:
    wanted = [-1 if isinstance(axis, str) else axis for axis in tensor.shape]
    if dtype != TRITON_DTYPES[tensor.dtype] or shape != wanted:
        raise ConfigurationError(
            f"model {model}: tensor {tensor.name}: expected {TRITON_DTYPES[tensor.dtype]}{wanted}, "
            f"the server has {dtype}{shape}"
        )

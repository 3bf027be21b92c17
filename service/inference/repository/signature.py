"""The tensors of a graph's file, for comparison with its spec."""

from dataclasses import dataclass

from dualtrack.errors import ConfigurationError
from service.inference.specs import GraphSpec, TensorSpec


@dataclass(frozen=True, slots=True)
class FoundTensor:
    """An input or output of a file.

    Attributes:
        dtype: numpy's name.
        shape: None for an axis that is dynamic or unknown.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """All tensors of a file, in order."""

    inputs: tuple[FoundTensor, ...]
    outputs: tuple[FoundTensor, ...]


def compare_signature(spec: GraphSpec, found: Signature) -> None:
    """Compare a file with the spec of its graph.

    Raises:
        ConfigurationError: names, dtypes or shapes differ; names model, tensor, expected and found.
    """
    for kind, wanted, got in (("inputs", spec.inputs, found.inputs), ("outputs", spec.outputs, found.outputs)):
        names, by_name = {tensor.name for tensor in wanted}, {tensor.name: tensor for tensor in got}
        if names != set(by_name):
            raise ConfigurationError(f"model {spec.name}: expected {kind} {sorted(names)}, found {sorted(by_name)}")
        for tensor in wanted:
            _compare(spec.name, tensor, by_name[tensor.name])


def _compare(model: str, wanted: TensorSpec, found: FoundTensor) -> None:
    if found.dtype == wanted.dtype and len(found.shape) == len(wanted.shape):
        # the size of an output's axis may be unknown, but a dynamic axis must not be fixed
        axes = zip(wanted.shape, found.shape, strict=True)
        if all(got is None or want == got for want, got in axes):
            return
    shape = ["?" if axis is None else axis for axis in found.shape]
    raise ConfigurationError(
        f"model {model}: tensor {wanted.name}: expected {wanted.dtype}{list(wanted.shape)}, found {found.dtype}{shape}"
    )

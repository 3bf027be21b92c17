"""Half precision for part of a network, between casts, transparent to the rest."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn


class Half(nn.Module):
    """Runs `inner` on float16 copies of its inputs and returns float32.

    TensorRT uses the types of the graph (strongly typed networks; the flag for half precision is removed in version
    11), so the graph itself states what is float16, and the same file can be compared on a CPU.

    Args:
        inner: converted to float16. Inputs and outputs may be tensors, or lists, tuples and dictionaries of them.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner.half()

    def forward(self, *inputs: Any) -> Any:
        """Inputs and outputs of `inner`, as float32."""
        return _cast(self.inner(*_cast(inputs, torch.float16)), torch.float32)


class Rounded(nn.Module):
    """Emulates `Half` on a GPU, for a CPU: computes in float32, with inputs and outputs of layers rounded to float16.

    Tensor cores accumulate in float32 and write float16. CPUs have no fast float16 convolution, and onnxruntime's
    implementation omits some of the roundings.

    Args:
        inner: its weights and the inputs and outputs of all its layers are rounded.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner.half().float()
        for module in inner.modules():
            if not list(module.children()):
                module.register_forward_pre_hook(lambda _, inputs: _round(inputs))
                module.register_forward_hook(lambda _, __, outputs: _round(outputs))

    def forward(self, *inputs: Any) -> Any:
        """As `inner`."""
        return _round(self.inner(*_round(inputs)))


def halve(network: nn.Module, path: str, kind: type[Half] | type[Rounded] = Half) -> None:
    """Wrap the submodule at the dotted `path` in `kind`.

    Raises:
        AttributeError: the submodule does not exist.
    """
    parent, _, name = path.rpartition(".")
    owner = network.get_submodule(parent)
    inner = owner.get_submodule(name)
    if isinstance(owner, nn.Sequential | nn.ModuleList):
        owner[int(name)] = kind(inner)
    else:
        setattr(owner, name, kind(inner))


def _round(value: Any) -> Any:
    return _cast(_cast(value, torch.float16), torch.float32)


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor):
        return value.to(dtype)
    if isinstance(value, OrderedDict):
        return OrderedDict((name, _cast(item, dtype)) for name, item in value.items())
    return type(value)(_cast(item, dtype) for item in value)

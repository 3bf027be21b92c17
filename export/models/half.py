"""Part of a network in half precision, between casts; the rest of the network does not notice."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn


class Half(nn.Module):
    """Runs `inner` on float16 copies of its inputs and gives float32 back.

    TensorRT takes the types of a graph as they are (a strongly typed network; its flag for half precision is gone from
    version 11 on), so the graph says what is half, and the same file can be compared on a CPU.

    Args:
        inner: becomes float16. Tensors may come in and go out alone or in lists, tuples and dictionaries.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner.half()

    def forward(self, *inputs: Any) -> Any:
        """Inputs and outputs as `inner` has them, float32."""
        return _cast(self.inner(*_cast(inputs, torch.float16)), torch.float32)


class Rounded(nn.Module):
    """What `Half` gives on a GPU, for a CPU: float32 inside, and all that layers take and give rounded to float16.

    Tensor cores add up in float32 and write float16. A CPU has no fast convolution of float16, and onnxruntime's
    leaves some of the roundings out.

    Args:
        inner: its weights are rounded, and every layer in it.
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
    """Put `kind` around the part at the dotted `path`.

    Raises:
        AttributeError: there is no such part.
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

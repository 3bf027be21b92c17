"""Layout of one call's tensors in a region of shared memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from service.inference.checks import output_shapes
from service.inference.client import Tensors
from service.inference.specs import GraphSpec
from service.inference.triton.shared_memory import ALIGN, Region

SMALLEST = 16 << 10
"""Minimum size, in bytes, of tensors in shared memory; smaller ones are cheaper in the message."""


@dataclass(frozen=True)
class Place:
    """Position of a tensor in the region."""

    offset: int
    nbytes: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]

    def of(self, region: Region) -> NDArray[np.generic]:
        """The tensor in the region, without a copy."""
        return region.data[self.offset : self.offset + self.nbytes].view(self.dtype).reshape(self.shape)


@dataclass(frozen=True)
class Layout:
    """Positions of the large inputs and outputs, and their total size in bytes."""

    inputs: Mapping[str, Place]
    outputs: Mapping[str, Place]
    size: int

    def fill(self, region: Region, inputs: Mapping[str, NDArray[np.generic]]) -> None:
        """Copy the large inputs into the region."""
        for name, place in self.inputs.items():
            np.copyto(place.of(region), inputs[name])

    def read(self, region: Region) -> Tensors:
        """Copies of the large outputs."""
        return {name: place.of(region).copy() for name, place in self.outputs.items()}


def layout(spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]]) -> Layout:
    """Lay out one call with checked inputs."""
    end = 0

    def place(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Place | None:
        nonlocal end
        nbytes = prod(shape) * dtype.itemsize
        if nbytes < SMALLEST:
            return None
        found = Place(end, nbytes, shape, dtype)
        end += -(-nbytes // ALIGN) * ALIGN
        return found

    before = {name: place(array.shape, array.dtype) for name, array in inputs.items()}
    shapes = output_shapes(spec, inputs)
    after = {tensor.name: place(shapes[tensor.name], np.dtype(tensor.dtype)) for tensor in spec.outputs}
    return Layout(_placed(before), _placed(after), end)


def _placed(places: Mapping[str, Place | None]) -> dict[str, Place]:
    return {name: place for name, place in places.items() if place is not None}

"""Seams that note what passes through them: a cache in memory, and a client around the fake networks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.inference.client import InferenceClient, Tensors
from service.inference.specs import GraphSpec


@dataclass
class MemoryCache:
    """A `StageCache` in memory.

    Attributes:
        kept: bytes by key.
        asked: keys that were asked for, in order.
        written: keys that were written, in order.
    """

    kept: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)

    def get(self, key: str, *, checkpoint: bool = False) -> bytes | None:
        self.asked.append(key)
        return self.kept.get(key)

    def put(self, key: str, data: bytes, *, checkpoint: bool = False) -> None:
        self.written.append(key)
        self.kept[key] = data

    def drop(self, key: str) -> None:
        self.kept.pop(key, None)


def stage_of(key: str) -> str:
    """Which stage's result lies under a key."""
    return key.partition("/")[2].partition("-")[0]


@dataclass(frozen=True)
class Call:
    """One call of a graph."""

    graph: str
    inputs: Mapping[str, NDArray[np.generic]]
    outputs: Tensors

    @property
    def rows(self) -> int:
        """Tracks or windows that it was for."""
        return len(self.inputs["frame_index"])


class RecordingClient:
    """An `InferenceClient` around another that notes every call, in order."""

    def __init__(self, inner: InferenceClient) -> None:
        self._inner = inner
        self.calls: list[Call] = []

    @property
    def runtime(self) -> str:
        return self._inner.runtime

    async def infer(self, spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]]) -> Tensors:
        outputs = await self._inner.infer(spec, inputs)
        self.calls.append(Call(spec.name, dict(inputs), outputs))
        return outputs

    async def close(self) -> None:
        await self._inner.close()

    def of(self, graph: str) -> list[Call]:
        """The calls of one graph."""
        return [call for call in self.calls if call.graph == graph]

"""A client wrapper that records the cost of every graph call."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.inference.client import InferenceClient, Tensors
from service.inference.specs import GraphSpec

Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Call:
    """One graph call.

    Attributes:
        graph: its name.
        batch: images or tracks in it.
        frames: number of frames whose features were passed; of images for `mask_rcnn`.
        start_s: `time.perf_counter` at its start.
        wall_s, cpu_s: time taken; the CPU time is the process's, so calls must not overlap.
    """

    graph: str
    batch: int
    frames: int
    start_s: float
    wall_s: float
    cpu_s: float


@dataclass
class CallMeter:
    """An `InferenceClient` that counts and times the calls.

    Attributes:
        inner: runs the graphs.
        keep: number of calls per graph whose inputs are kept, to be run again.
        calls: in order of completion.
        inputs: kept inputs, by graph.
    """

    inner: InferenceClient
    keep: int = 0
    calls: list[Call] = field(default_factory=list)
    inputs: dict[str, list[dict[str, NDArray[np.generic]]]] = field(default_factory=dict)

    @property
    def runtime(self) -> str:
        """The inner client's."""
        return self.inner.runtime

    async def infer(self, spec: GraphSpec, inputs: Arrays) -> Tensors:
        """See `InferenceClient.infer`."""
        kept = self.inputs.setdefault(spec.name, [])
        if len(kept) < self.keep and batch_of(inputs):
            kept.append({name: np.array(array) for name, array in inputs.items()})
        start, cpu = time.perf_counter(), time.process_time()
        outputs = await self.inner.infer(spec, inputs)
        wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu
        frames = next(len(inputs[name]) for name in ("frames", "f4", "f8") if name in inputs)
        self.calls.append(Call(spec.name, batch_of(inputs), frames, start, wall_s, cpu_s))
        return outputs

    async def close(self) -> None:
        """Close the wrapped client."""
        await self.inner.close()


def batch_of(inputs: Arrays) -> int:
    """Number of images or tracks in a call."""
    return len(inputs["frame_index"] if "frame_index" in inputs else inputs["frames"])

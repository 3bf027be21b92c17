"""A client around a client that writes down what every graph call cost."""

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
        frames: frames whose features it was given; the images for `mask_rcnn`.
        start_s: `time.perf_counter` at its start.
        wall_s, cpu_s: what it took; CPU time of the whole process, so only right while one call runs at a time.
    """

    graph: str
    batch: int
    frames: int
    start_s: float
    wall_s: float
    cpu_s: float


@dataclass
class CallMeter:
    """Counts and times the calls; an `InferenceClient`.

    Attributes:
        inner: runs the graphs.
        keep: number of calls of each graph that also leave their inputs, to be run again.
        calls: in the order in which they ended.
        inputs: kept ones, by graph.
    """

    inner: InferenceClient
    keep: int = 0
    calls: list[Call] = field(default_factory=list)
    inputs: dict[str, list[dict[str, NDArray[np.generic]]]] = field(default_factory=dict)

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
        """Close what it stands around."""
        await self.inner.close()


def batch_of(inputs: Arrays) -> int:
    """Images or tracks of a call."""
    return len(inputs["frame_index"] if "frame_index" in inputs else inputs["frames"])

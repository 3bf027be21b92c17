"""The cost of graph calls at ideal batch sizes: recorded calls are merged into larger ones and run in isolation."""

import time
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from evaluation.bench.meters.calls import CallMeter, batch_of
from service.inference.client import InferenceClient
from service.inference.specs import GraphSpec

SIZES = (1, 2, 4, 8, 16)
Inputs = dict[str, NDArray[np.generic]]


def join(spec: GraphSpec, calls: Sequence[Inputs]) -> Inputs:
    """Merge several calls of one graph into one: their frames, and the tracks that refer to them."""
    joined = {tensor.name: np.concatenate([call[tensor.name] for call in calls]) for tensor in spec.inputs}
    features = next((tensor.name for tensor in spec.inputs if tensor.shape[0] == "F"), None)
    if features is not None:
        frames = np.cumsum([0, *(len(call[features]) for call in calls[:-1])])
        index = [call["frame_index"] + start for call, start in zip(calls, frames, strict=True)]
        joined["frame_index"] = np.concatenate(index).astype(np.int64)
    return joined


def cut(spec: GraphSpec, inputs: Inputs, size: int) -> Inputs:
    """The first `size` images or tracks of a call, with the frames they refer to."""
    axis = "N" if "frame_index" in inputs else "B"
    part = {t.name: inputs[t.name][:size] if t.shape[0] == axis else inputs[t.name] for t in spec.inputs}
    if axis == "N":
        used, index = np.unique(part["frame_index"], return_inverse=True)
        part |= {t.name: inputs[t.name][used] for t in spec.inputs if t.shape[0] == "F"}
        part["frame_index"] = index.astype(np.int64)
    return part


async def price(spec: GraphSpec, calls: Sequence[Inputs], client: InferenceClient, repeats: int) -> dict[int, float]:
    """CPU seconds per image or track, by batch size.

    Args:
        spec: of the graph.
        calls: recorded inputs.
        client: runs the graph.
        repeats: runs of every size, of which the median is taken.
    """
    prices: dict[int, float] = {}
    for size in SIZES:
        inputs = _of_size(spec, calls, size)
        if inputs is None or (spec.max_batch_size and size > spec.max_batch_size):
            break
        await client.infer(spec, inputs)
        spent = []
        for _ in range(repeats):
            before = time.process_time()
            await client.infer(spec, inputs)
            spent.append(time.process_time() - before)
        prices[size] = median(spent) / size
    return prices


async def ideal(meter: CallMeter, specs: Mapping[str, GraphSpec], repeats: int) -> float:
    """CPU seconds of all images and tracks that a meter saw, each graph at its cheapest batch size."""
    total = 0.0
    for graph, calls in meter.inputs.items():
        prices = await price(specs[graph], calls, meter.inner, repeats)
        if prices:
            total += min(prices.values()) * sum(call.batch for call in meter.calls if call.graph == graph)
    return total


def _of_size(spec: GraphSpec, calls: Sequence[Inputs], size: int) -> Inputs | None:
    """Recorded calls merged into one of this size; None if there are too few."""
    count = 0
    for number, call in enumerate(calls, start=1):
        count += batch_of(call)
        if count >= size:
            return cut(spec, join(spec, calls[:number]), size)
    return None

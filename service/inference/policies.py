"""Policies are clients around a client: a deadline, a bound on calls in flight."""

import asyncio
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from service.errors import InferenceTimeout
from service.inference.client import InferenceClient, Tensors
from service.inference.specs import GraphSpec


class WithDeadline:
    """Every call answers within `seconds`, or raises InferenceTimeout."""

    def __init__(self, inner: InferenceClient, *, seconds: float) -> None:
        self._inner, self._seconds = inner, seconds

    async def infer(self, spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]]) -> Tensors:
        """See `InferenceClient.infer`."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._inner.infer(spec, inputs)
        except TimeoutError as error:
            raise InferenceTimeout(f"{spec.name}: no answer in {self._seconds} s") from error

    async def close(self) -> None:
        """Close the inner client."""
        await self._inner.close()


class WithLimit:
    """At most `calls` calls are in flight; the others wait their turn."""

    def __init__(self, inner: InferenceClient, *, calls: int) -> None:
        self._inner, self._turns = inner, asyncio.Semaphore(calls)

    async def infer(self, spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]]) -> Tensors:
        """See `InferenceClient.infer`."""
        async with self._turns:
            return await self._inner.infer(spec, inputs)

    async def close(self) -> None:
        """Close the inner client."""
        await self._inner.close()

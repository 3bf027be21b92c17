"""Policies that wrap a client: a deadline, a limit on concurrent calls, retries."""

import asyncio
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dualtrack.errors import InferenceTimeout, Unavailable
from service.inference.client import InferenceClient, Tensors
from service.inference.specs import GraphSpec


class WithDeadline:
    """Every call returns within `seconds`, or raises InferenceTimeout."""

    def __init__(self, inner: InferenceClient, *, seconds: float) -> None:
        self._inner, self._seconds = inner, seconds

    @property
    def runtime(self) -> str:
        """The inner client's."""
        return self._inner.runtime

    async def infer(self, spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]]) -> Tensors:
        """See `InferenceClient.infer`."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._inner.infer(spec, inputs)
        except TimeoutError as error:
            raise InferenceTimeout(f"{spec.name}: no response within {self._seconds} s") from error

    async def close(self) -> None:
        """Close the inner client."""
        await self._inner.close()


class WithLimit:
    """At most `calls` calls run concurrently; others wait."""

    def __init__(self, inner: InferenceClient, *, calls: int) -> None:
        self._inner, self._turns = inner, asyncio.Semaphore(calls)

    @property
    def runtime(self) -> str:
        """The inner client's."""
        return self._inner.runtime

    async def infer(self, spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]]) -> Tensors:
        """See `InferenceClient.infer`."""
        async with self._turns:
            return await self._inner.infer(spec, inputs)

    async def close(self) -> None:
        """Close the inner client."""
        await self._inner.close()


class WithRetry:
    """Retries calls if the server is unavailable; this is safe, as graphs are stateless.

    Other errors are not retried: a graph that failed or took too long will most likely do so again.

    Args:
        inner: the client.
        tries: total number of attempts, at least 1.
        pause_s: before the second attempt; doubled for each further one.
        most_pause_s: upper limit of the pause.
    """

    def __init__(self, inner: InferenceClient, *, tries: int, pause_s: float, most_pause_s: float = 2.0) -> None:
        self._inner, self._tries, self._pause_s, self._most_pause_s = inner, tries, pause_s, most_pause_s

    @property
    def runtime(self) -> str:
        """The inner client's."""
        return self._inner.runtime

    async def infer(self, spec: GraphSpec, inputs: Mapping[str, NDArray[np.generic]]) -> Tensors:
        """See `InferenceClient.infer`."""
        for number in range(self._tries - 1):
            try:
                return await self._inner.infer(spec, inputs)
            except Unavailable:
                await asyncio.sleep(min(self._pause_s * 2**number, self._most_pause_s))
        return await self._inner.infer(spec, inputs)

    async def close(self) -> None:
        """Close the inner client."""
        await self._inner.close()

"""`AsyncClient`: the methods of `Client`, awaited."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from dualtrack.client import operations
from dualtrack.client.answers import document_of, raised_for
from dualtrack.client.connection import connect, failure
from dualtrack.client.job import AsyncJob
from dualtrack.client.operations import Call, Hash, Operation
from dualtrack.client.retries import SYSTEM, Backoff, Clock, RetryableError
from dualtrack.digest import sha256_of
from dualtrack.errors import DualtrackError, Unavailable
from dualtrack.parameters import Parameters
from dualtrack.progress import OnProgress
from dualtrack.result.result import Result

T = TypeVar("T")
CHUNK_BYTES = 1024 * 1024
PathLike = Path | str


class AsyncClient:
    """A service, from Python's asyncio; the same methods as of `Client`, awaited.

    Arguments, errors and retries are those of `Client`.

    Example:
        >>> async with dualtrack.AsyncClient("http://127.0.0.1:8080") as client:
        ...     job = await client.submit("clip.mp4", th_det=0.3)
        ...     result = await (await client.wait(job)).result()
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8080",
        *,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        retry_s: float = 60.0,
        clock: Clock = SYSTEM,
    ) -> None:
        self._http = connect(httpx.AsyncClient, base_url, api_key, timeout_s)
        self._retry_s = retry_s
        self._clock = clock

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def upload(self, path: PathLike) -> str:
        """`Client.upload`, awaited."""
        return await self._run(operations.upload(Path(path)))

    async def submit(
        self,
        path: PathLike,
        *,
        detections: PathLike | None = None,
        idempotency_key: str | None = None,
        **parameters: Unpack[Parameters],
    ) -> AsyncJob:
        """`Client.submit`, awaited."""
        given = None if detections is None else Path(detections)
        values: dict[str, Any] = dict(parameters)
        return AsyncJob.of(await self._run(operations.submit(Path(path), given, idempotency_key, values)), self)

    async def job(self, job: AsyncJob | str, *, wait_s: float = 0, version: int | None = None) -> AsyncJob:
        """`Client.job`, awaited."""
        return AsyncJob.of(await self._run(operations.report(job, wait_s, version)), self)

    async def wait(
        self, job: AsyncJob | str, on_progress: OnProgress | None = None, *, timeout_s: float | None = None
    ) -> AsyncJob:
        """`Client.wait`, awaited."""
        return AsyncJob.of(await self._run(operations.wait(job, on_progress, timeout_s, self._clock)), self)

    async def result(self, job: AsyncJob | str) -> Result:
        """`Client.result`, awaited."""
        return Result.from_document(await self._run(operations.result(job)))

    async def download(self, job: AsyncJob | str, result_format: str, path: PathLike) -> Path:
        """`Client.download`, awaited."""
        return await self._run(operations.download(job, result_format, Path(path)))

    async def cancel(self, job: AsyncJob | str) -> AsyncJob:
        """`Client.cancel`, awaited."""
        return AsyncJob.of(await self._run(operations.cancel(job)), self)

    async def delete_video(self, video_id: str) -> None:
        """`Client.delete_video`, awaited."""
        await self._run(operations.delete_video(video_id))

    async def models(self) -> Any:
        """`Client.models`, awaited."""
        return await self._run(operations.models())

    async def _run(self, operation: Operation[T]) -> T:
        """Make the calls of an operation one after the other."""
        try:
            call = next(operation)
            while True:
                try:
                    answer = await self._do(call)
                except DualtrackError as error:
                    call = operation.throw(error)
                else:
                    call = operation.send(answer)
        except StopIteration as end:
            value: T = end.value
            return value

    async def _do(self, call: Call | Hash) -> Any:
        """Send a request, and again while that can help."""
        if isinstance(call, Hash):
            return await asyncio.to_thread(sha256_of, call.path)
        backoff = Backoff(self._retry_s, self._clock)
        while True:
            try:
                return await self._send(call)
            except RetryableError as failed:
                delay_s = backoff.next_delay_s(failed)
            await self._clock.sleep_async(delay_s)

    async def _send(self, call: Call) -> Any:
        """One try: the JSON document of the answer, or None where its body was saved.

        Raises:
            RetryableError: another try can succeed.
            DualtrackError: none can.
        """
        content = None if call.body is None else _chunks(call.body)
        try:
            async with self._http.stream(call.method, call.path, content=content, **call.options) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise raised_for(answer)
                if call.save_to is not None:
                    with call.save_to.open("wb") as file:
                        async for chunk in answer.aiter_bytes(CHUNK_BYTES):
                            file.write(chunk)
                    return None
                await answer.aread()
                return document_of(answer)
        except httpx.TransportError as error:
            failed = failure(self._http.base_url, error)
            if isinstance(failed, Unavailable):
                raise RetryableError(failed) from error
            raise failed from error


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    """A file's bytes; made again for every try."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk

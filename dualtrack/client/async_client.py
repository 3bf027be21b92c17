"""`AsyncClient`: asyncio client of a service."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from dualtrack.client import operations
from dualtrack.client.artifact import Artifact, artifact_of
from dualtrack.client.connection import connect, failure
from dualtrack.client.job import AsyncJob
from dualtrack.client.operations import Call, Hash, Operation
from dualtrack.client.responses import document_of, exception_for
from dualtrack.client.retries import SYSTEM, Backoff, Clock, RetryableError
from dualtrack.deprecations import warn_of_deprecations
from dualtrack.digest import sha256_of
from dualtrack.errors import DualtrackError, Unavailable
from dualtrack.parameters import Parameters
from dualtrack.progress import OnProgress
from dualtrack.result.result import Result

T = TypeVar("T")
CHUNK_BYTES = 1024 * 1024
PathLike = Path | str


class AsyncClient:
    """Client of a dualtrack service for asyncio: a `Client` whose methods are coroutines.

    Arguments, return values, errors and retries are those of `Client`.

    Args:
        base_url: address of the service, `http://HOST:PORT` or `https://HOST:PORT`.
        api_key: bearer token, if the service requires one.
        timeout_s: timeout in seconds for connecting, and for every read and write.
        retry_s: seconds for which a request is repeated; 0 for a single attempt.
        clock: sources of time and randomness, for tests.

    Raises:
        InvalidParameter: the address or the API key is invalid.
        ConfigurationError: a proxy from the environment can't be used.

    Example:
        >>> import asyncio
        >>> import dualtrack
        >>> async def main() -> None:
        ...     async with dualtrack.AsyncClient("http://127.0.0.1:8080") as client:
        ...         job = await client.submit("clip.mp4", th_det=0.3)
        ...         job = await client.wait(job)
        ...         result = await client.result(job)
        ...         print(len(result.tubelets), "objects")
        >>> asyncio.run(main())
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
        """Return the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def upload(self, path: PathLike) -> str:
        """Upload a video unless the service has it; see `Client.upload`."""
        return await self._run(operations.upload(Path(path)))

    async def submit(
        self,
        path: PathLike,
        *,
        detections: PathLike | None = None,
        idempotency_key: str | None = None,
        **parameters: Unpack[Parameters],
    ) -> AsyncJob:
        """Create a job that segments a video; see `Client.submit`."""
        given = None if detections is None else Path(detections)
        values: dict[str, Any] = dict(parameters)
        warn_of_deprecations(values)
        return AsyncJob.of(await self._run(operations.submit(Path(path), given, idempotency_key, values)), self)

    async def job(self, job: AsyncJob | str, *, wait_s: float = 0, version: int | None = None) -> AsyncJob:
        """Read the current state of a job, optionally after waiting for a change; see `Client.job`."""
        return AsyncJob.of(await self._run(operations.report(job, wait_s, version)), self)

    async def wait(
        self, job: AsyncJob | str, on_progress: OnProgress | None = None, *, timeout_s: float | None = None
    ) -> AsyncJob:
        """Wait until a job is done, failed or canceled; see `Client.wait`."""
        return AsyncJob.of(await self._run(operations.wait(job, on_progress, timeout_s, self._clock)), self)

    async def result(self, job: AsyncJob | str) -> Result:
        """Read the result of a finished job; see `Client.result`."""
        return Result.from_document(await self._run(operations.result(job)))

    async def download(
        self,
        job: AsyncJob | str,
        result_format: str,
        path: PathLike,
        *,
        single_class: bool = False,
        on_progress: OnProgress | None = None,
        timeout_s: float | None = None,
    ) -> Path:
        """Download a file of a finished job's result; see `Client.download`."""
        return await self._run(
            operations.download(job, result_format, Path(path), single_class, on_progress, timeout_s, self._clock)
        )

    async def create_artifact(self, job: AsyncJob | str, kind: str = "overlay") -> Artifact:
        """Request a file that is made from a finished job's result; see `Client.create_artifact`."""
        return artifact_of(await self._run(operations.create_artifact(job, kind)))

    async def cancel(self, job: AsyncJob | str) -> AsyncJob:
        """Cancel a queued or running job; see `Client.cancel`."""
        return AsyncJob.of(await self._run(operations.cancel(job)), self)

    async def delete_video(self, video_id: str) -> None:
        """Delete a video with its file, cached data and results; see `Client.delete_video`."""
        await self._run(operations.delete_video(video_id))

    async def models(self) -> Any:
        """Read which networks the service uses; see `Client.models`."""
        return await self._run(operations.models())

    async def _run(self, operation: Operation[T]) -> T:
        """Run an operation: send its requests one by one."""
        try:
            call = next(operation)
            while True:
                try:
                    response = await self._do(call)
                except DualtrackError as error:
                    call = operation.throw(error)
                else:
                    call = operation.send(response)
        except StopIteration as end:
            value: T = end.value
            return value

    async def _do(self, call: Call | Hash) -> Any:
        """Send a request, and repeat it while it may succeed."""
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
        """Send a request once; returns the JSON document of the response, or None if its body was saved.

        Raises:
            RetryableError: the request failed, but another attempt may succeed.
            DualtrackError: the request failed, and another attempt can't succeed.
        """
        content = None if call.body is None else _chunks(call.body)
        try:
            async with self._http.stream(call.method, call.path, content=content, **call.options) as response:
                if not response.is_success:
                    await response.aread()
                    raise exception_for(response)
                if call.save_to is not None:
                    with call.save_to.open("wb") as file:
                        async for chunk in response.aiter_bytes(CHUNK_BYTES):
                            file.write(chunk)
                    return None
                await response.aread()
                return document_of(response)
        except httpx.TransportError as error:
            failed = failure(self._http.base_url, error)
            if isinstance(failed, Unavailable):
                raise RetryableError(failed) from error
            raise failed from error


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    """The content of a file in chunks; a new iterator is needed for every attempt."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk

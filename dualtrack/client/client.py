"""`Client`: one method per thing that the service does, synchronous."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from dualtrack.client import operations
from dualtrack.client.answers import document_of, raised_for
from dualtrack.client.connection import connect, failure
from dualtrack.client.job import Job
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


class Client:
    """A service, from Python.

    Errors of the service are raised as the classes of `dualtrack.errors`, with the problem's code and detail.
    A code that this version does not know is raised as the class of its HTTP status.

    Where the service answers 429 or 503, and where it can't be reached, requests are repeated for `retry_s` seconds,
    no earlier than its `Retry-After`, with jitter. What can't succeed later either is raised at once.

    Args:
        base_url: of the service, `http://HOST:PORT` or `https://HOST:PORT`.
        api_key: bearer token, where the service requires one.
        timeout_s: for the answer to one request, seconds.
        retry_s: how long a request is repeated, seconds; 0 for a single try.
        clock: time and chance, for tests.

    Raises:
        InvalidParameter: the address or the API key can't be used.
        ConfigurationError: a proxy from the environment can't be used, or the address is that of another server.

    Example:
        >>> with dualtrack.Client("http://127.0.0.1:8080") as client:
        ...     job = client.submit("clip.mp4", th_det=0.3)
        ...     result = client.wait(job).result()
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
        self._http = connect(httpx.Client, base_url, api_key, timeout_s)
        self._retry_s = retry_s
        self._clock = clock

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def upload(self, path: PathLike) -> str:
        """Upload a video unless the service has it; its id, the SHA-256 of the file.

        Raises:
            InvalidVideo: there is no such file, or the service can't use it.
        """
        return self._run(operations.upload(Path(path)))

    def submit(
        self,
        path: PathLike,
        *,
        detections: PathLike | None = None,
        idempotency_key: str | None = None,
        **parameters: Unpack[Parameters],
    ) -> Job:
        """Create a job for a video, which is uploaded unless the service has it.

        Args:
            path: the video file.
            detections: COCO results by frame that take the place of the service's detector.
            idempotency_key: the same key and request give the same job again; default: a new key.
            **parameters: of the job; `dualtrack.Parameters` has them all.

        Raises:
            InvalidVideo, InvalidDetections: a file can't be used.
            InvalidParameter: a parameter is unknown or out of its range.
            Overloaded: the queue is full, also after `retry_s` seconds.
        """
        given = None if detections is None else Path(detections)
        values: dict[str, Any] = dict(parameters)
        return Job.of(self._run(operations.submit(Path(path), given, idempotency_key, values)), self)

    def job(self, job: Job | str, *, wait_s: float = 0, version: int | None = None) -> Job:
        """The job as it is now, or when it has ended, or changed from `version`, or after `wait_s` seconds.

        Raises:
            NotFound: the service has no such job.
        """
        return Job.of(self._run(operations.report(job, wait_s, version)), self)

    def wait(self, job: Job | str, on_progress: OnProgress | None = None, *, timeout_s: float | None = None) -> Job:
        """Wait until the job is done, failed or canceled.

        Args:
            job: or its id.
            on_progress: called with the progress after every change.
            timeout_s: seconds to wait at most; default: as long as it takes.

        Raises:
            Unavailable: it has not ended within `timeout_s` seconds (code `timeout`).
        """
        return Job.of(self._run(operations.wait(job, on_progress, timeout_s, self._clock)), self)

    def result(self, job: Job | str) -> Result:
        """The result of a finished job.

        Raises:
            Conflict: the job is not done yet (`not-ready`), has failed (`job-failed`) or was canceled.
            Gone: the result was deleted.
        """
        return Result.from_document(self._run(operations.result(job)))

    def download(self, job: Job | str, result_format: str, path: PathLike) -> Path:
        """Download a file of a finished job's result.

        Args:
            job: or its id.
            result_format: `coco-rle` (the JSON document), `ytvis` or `overlay-mp4`.
            path: where to write it; an earlier file is replaced once the new one is whole.

        Raises:
            InvalidParameter: there is no such format.
            NotFound: the job was created without an overlay.
            Conflict, Gone: as of `result`.
        """
        return self._run(operations.download(job, result_format, Path(path)))

    def cancel(self, job: Job | str) -> Job:
        """Cancel a job that waits or runs; one that has ended stays as it is."""
        return Job.of(self._run(operations.cancel(job)), self)

    def delete_video(self, video_id: str) -> None:
        """Delete a video, its file, its results and what is cached of it."""
        self._run(operations.delete_video(video_id))

    def models(self) -> Any:
        """The networks that the service uses, as `GET /v1/models` describes them."""
        return self._run(operations.models())

    def _run(self, operation: Operation[T]) -> T:
        """Make the calls of an operation one after the other."""
        try:
            call = next(operation)
            while True:
                try:
                    answer = self._do(call)
                except DualtrackError as error:
                    call = operation.throw(error)
                else:
                    call = operation.send(answer)
        except StopIteration as end:
            value: T = end.value
            return value

    def _do(self, call: Call | Hash) -> Any:
        """Send a request, and again while that can help."""
        if isinstance(call, Hash):
            return sha256_of(call.path)
        backoff = Backoff(self._retry_s, self._clock)
        while True:
            try:
                return self._send(call)
            except RetryableError as failed:
                delay_s = backoff.next_delay_s(failed)
            self._clock.sleep(delay_s)

    def _send(self, call: Call) -> Any:
        """One try: the JSON document of the answer, or None where its body was saved.

        Raises:
            RetryableError: another try can succeed.
            DualtrackError: none can.
        """
        content = None if call.body is None else _chunks(call.body)
        try:
            with self._http.stream(call.method, call.path, content=content, **call.options) as answer:
                if not answer.is_success:
                    answer.read()
                    raise raised_for(answer)
                if call.save_to is not None:
                    with call.save_to.open("wb") as file:
                        for chunk in answer.iter_bytes(CHUNK_BYTES):
                            file.write(chunk)
                    return None
                answer.read()
                return document_of(answer)
        except httpx.TransportError as error:
            failed = failure(self._http.base_url, error)
            if isinstance(failed, Unavailable):
                raise RetryableError(failed) from error
            raise failed from error


def _chunks(path: Path) -> Iterator[bytes]:
    """A file's bytes; made again for every try."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk

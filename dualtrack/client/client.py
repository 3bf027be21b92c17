"""`Client`: synchronous client of a service."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from dualtrack.client import operations
from dualtrack.client.artifact import Artifact, artifact_of
from dualtrack.client.connection import connect, failure
from dualtrack.client.job import Job
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


class Client:
    """Synchronous client of a dualtrack service.

    Errors of the service are raised as the classes in `dualtrack.errors`, with the service's code and message. A code
    that this version does not know is raised as the class of its HTTP status.

    If the service responds with status 429 or 503 or can't be reached, the request is repeated for up to `retry_s`
    seconds, at increasing intervals with jitter and no earlier than `Retry-After`. Other errors are raised at once.

    Every method that sends a request can raise:

    - `Unavailable` or `Overloaded`, after `retry_s` seconds of retries,
    - `Unauthorized`, if the API key is missing or wrong,
    - `ConfigurationError`, if the address belongs to another server or its TLS certificate is not trusted.

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
        >>> import dualtrack
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
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def upload(self, path: PathLike) -> str:
        """Upload a video unless the service has it.

        Args:
            path: path of the video file.

        Returns:
            The id of the video, the SHA-256 of the file as 64 hexadecimal digits.

        Raises:
            InvalidVideo: the file does not exist or can't be used; `code` is the reason.

        Example:
            >>> video_id = client.upload("clip.mp4")
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
        """Create a job that segments a video; the video is uploaded unless the service has it.

        Args:
            path: path of the video file.
            detections: path of a JSON file of detections to use instead of the detector's: COCO results, with the
                index of the frame, from 0, as `image_id`.
            idempotency_key: key of your choice; repeating a call with the same key and arguments returns the same job.
                Default: a new key, so every call creates a job.
            **parameters: parameters of the job, such as `th_det=0.3`; `dualtrack.Parameters` describes all of them.

        Returns:
            The new job.

        Raises:
            InvalidVideo: the video file does not exist or can't be used; `code` is the reason.
            InvalidDetections: the detections file does not exist or can't be used.
            InvalidParameter: a parameter is unknown or out of range.
            Conflict: the idempotency key was used with different arguments.
            Overloaded: the queue is still full after `retry_s` seconds.

        Example:
            >>> job = client.submit("clip.mp4", th_det=0.3, categories=["person"])
            >>> print(job.id, job.state)
        """
        given = None if detections is None else Path(detections)
        values: dict[str, Any] = dict(parameters)
        warn_of_deprecations(values)
        return Job.of(self._run(operations.submit(Path(path), given, idempotency_key, values)), self)

    def job(self, job: Job | str, *, wait_s: float = 0, version: int | None = None) -> Job:
        """Read the current state of a job, optionally after waiting for a change.

        Args:
            job: job or its id.
            wait_s: wait up to this many seconds for the job to end, at most 60; 0 returns at once.
            version: with `wait_s`, also return as soon as the job's `version` differs from this one.

        Returns:
            A new snapshot of the job.

        Raises:
            NotFound: the service has no such job.
            Gone: the job's video was deleted.

        Example:
            >>> job = client.job(job.id)
            >>> job = client.job(job, wait_s=20, version=job.version)
        """
        return Job.of(self._run(operations.report(job, wait_s, version)), self)

    def wait(self, job: Job | str, on_progress: OnProgress | None = None, *, timeout_s: float | None = None) -> Job:
        """Wait until a job is done, failed or canceled.

        A failed job does not raise an error here; check `state`, or call `result`.

        Args:
            job: job or its id.
            on_progress: called with a `dualtrack.Progress` after every change; an exception it raises ends the wait,
                not the job.
            timeout_s: maximum time to wait, in seconds; default: no limit.

        Returns:
            The job after its end.

        Raises:
            Unavailable: the job has not ended within `timeout_s` seconds (code `timeout`).
            NotFound: the service has no such job.
            Gone: the job's video was deleted.

        Example:
            >>> job = client.wait(job, on_progress=print, timeout_s=600)
            >>> job.state
            'done'
        """
        return Job.of(self._run(operations.wait(job, on_progress, timeout_s, self._clock)), self)

    def result(self, job: Job | str) -> Result:
        """Read the result of a finished job.

        Args:
            job: job or its id.

        Returns:
            The result. Boxes and masks are in pixels of the original frame after rotation; frames count from 0.

        Raises:
            Conflict: the job is not done (code `not-ready`), failed (`job-failed`) or was canceled (`job-canceled`).
            NotFound: the service has no such job.
            Gone: the result or the job's video was deleted.

        Example:
            >>> result = client.result(job)
        """
        return Result.from_document(self._run(operations.result(job)))

    def download(
        self,
        job: Job | str,
        result_format: str,
        path: PathLike,
        *,
        single_class: bool = False,
        on_progress: OnProgress | None = None,
        timeout_s: float | None = None,
    ) -> Path:
        """Download a file of a finished job's result; waits for the overlay while it is being drawn.

        Args:
            job: job or its id.
            result_format: `coco-rle` (JSON document, which `dualtrack.load` reads), `ytvis` (YouTube-VIS
                `results.json`) or `overlay-mp4` (the video with the objects drawn on it).
            path: path of the file to write, in an existing folder; an existing file is replaced once the download is
                complete.
            single_class: of `ytvis`, one record per tubelet instead of one per category that it may belong to.
            on_progress: called with a `dualtrack.Progress` while the overlay is being drawn; an exception it raises
                ends the wait.
            timeout_s: maximum time to wait for the overlay, in seconds; default: no limit.

        Returns:
            The path of the file.

        Raises:
            InvalidParameter: the format is unknown.
            NotFound: the service has no such job, or the job was created without an overlay (code `no-overlay`);
                `create_artifact` requests one.
            Conflict: the job is not done (code `not-ready`), failed (`job-failed`) or was canceled (`job-canceled`), or
                the overlay can't be drawn (`artifact-failed`; the message has the reason).
            Unavailable: the overlay is not drawn within `timeout_s` seconds (code `timeout`).
            Gone: the result or the job's video was deleted.

        Example:
            >>> path = client.download(job, "overlay-mp4", "overlay.mp4")
        """
        return self._run(
            operations.download(job, result_format, Path(path), single_class, on_progress, timeout_s, self._clock)
        )

    def create_artifact(self, job: Job | str, kind: str = "overlay") -> Artifact:
        """Request a file that is made from a finished job's result; one that failed is made again.

        Args:
            job: job or its id.
            kind: `overlay`, the video with the objects drawn on it.

        Returns:
            The artifact; `download` waits for it.

        Raises:
            InvalidParameter: the kind is unknown.
            Conflict: the job is not done (code `not-ready`), failed (`job-failed`) or was canceled (`job-canceled`).
            NotFound: the service has no such job.
            Gone: the job's video was deleted.

        Example:
            >>> artifact = client.create_artifact(job)
            >>> path = client.download(job, "overlay-mp4", "overlay.mp4")
        """
        return artifact_of(self._run(operations.create_artifact(job, kind)))

    def cancel(self, job: Job | str) -> Job:
        """Cancel a queued or running job. A job that has ended is not changed.

        Args:
            job: job or its id.

        Returns:
            The job after the request; a running job stops soon after.

        Raises:
            NotFound: the service has no such job.
            Gone: the job's video was deleted.

        Example:
            >>> job = client.cancel(job)
        """
        return Job.of(self._run(operations.cancel(job)), self)

    def delete_video(self, video_id: str) -> None:
        """Delete a video with its file, its cached data and its jobs' results; jobs that have not ended are canceled.

        Args:
            video_id: id of the video, as `upload` returns it and `Job.video_id` has it.

        Raises:
            NotFound: the service has no such video.

        Example:
            >>> client.delete_video(job.video_id)
        """
        self._run(operations.delete_video(video_id))

    def models(self) -> Any:
        """Read which networks the service uses, as `GET /v1/models` returns it.

        Returns:
            A dictionary with `architecture`, `release`, `classes` (list of `name` and `vocabulary`) and `graphs`
            (SHA-256 of each file by name).

        Example:
            >>> print(client.models()["release"])
        """
        return self._run(operations.models())

    def _run(self, operation: Operation[T]) -> T:
        """Run an operation: send its requests one by one."""
        try:
            call = next(operation)
            while True:
                try:
                    response = self._do(call)
                except DualtrackError as error:
                    call = operation.throw(error)
                else:
                    call = operation.send(response)
        except StopIteration as end:
            value: T = end.value
            return value

    def _do(self, call: Call | Hash) -> Any:
        """Send a request, and repeat it while it may succeed."""
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
        """Send a request once; returns the JSON document of the response, or None if its body was saved.

        Raises:
            RetryableError: the request failed, but another attempt may succeed.
            DualtrackError: the request failed, and another attempt can't succeed.
        """
        content = None if call.body is None else _chunks(call.body)
        try:
            with self._http.stream(call.method, call.path, content=content, **call.options) as response:
                if not response.is_success:
                    response.read()
                    raise exception_for(response)
                if call.save_to is not None:
                    with call.save_to.open("wb") as file:
                        for chunk in response.iter_bytes(CHUNK_BYTES):
                            file.write(chunk)
                    return None
                response.read()
                return document_of(response)
        except httpx.TransportError as error:
            failed = failure(self._http.base_url, error)
            if isinstance(failed, Unavailable):
                raise RetryableError(failed) from error
            raise failed from error


def _chunks(path: Path) -> Iterator[bytes]:
    """The content of a file in chunks; a new iterator is needed for every attempt."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk

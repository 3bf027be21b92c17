"""The client itself: one method per thing that the service does."""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from dualtrack.errors import NotFound, Unavailable
from service.client.answers import document_of, error_of, retry_after_s
from service.client.connection import connect, failure
from service.client.patience import CanPassError, Clock, repeat

CHUNK = 1024 * 1024
ENDED = frozenset({"done", "failed", "canceled"})
PATIENCE = frozenset({429, 503})
"""Statuses by which the service asks to send the request again later."""
SYSTEM = Clock()
RESULT_FORMAT = Literal["coco-rle", "ytvis"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is; see the service's OpenAPI document for the fields."""

    stage: str
    done: int
    total: int
    fraction: float
    rate: float | None
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the service last reported it."""

    id: str
    video_id: str
    state: str
    attempt: int
    progress: Progress | None
    error: dict[str, Any] | None
    version: int

    @property
    def ended(self) -> bool:
        """Whether it is done, failed or canceled."""
        return self.state in ENDED


class Client:
    """One service.

    Errors of the service are raised as the classes of `dualtrack.errors`, with the problem's code and detail.
    A code that this version does not know is raised as the class of its HTTP status.

    Where the service says 429 or 503, and where it can't be reached, requests are repeated for `patience_s` seconds,
    no earlier than its `Retry-After`, with jitter. What can't succeed later either is raised at once.

    Raises:
        InvalidParameter: the address or the API key can't be used.
        ConfigurationError: a proxy from the environment can't be used, or the address is that of another server.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8080",
        *,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        patience_s: float = 60.0,
        clock: Clock = SYSTEM,
    ) -> None:
        self._http = connect(base_url, api_key, timeout_s)
        self._patience_s = patience_s
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

    def upload(self, path: Path | str) -> str:
        """Store a video, unless the service has it already; its id."""
        path = Path(path)
        digest = _sha256(path)
        try:
            self._document("GET", f"/v1/videos/{digest}")
        except NotFound:
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(path.stat().st_size)}
            answer = self._document("POST", "/v1/videos", content=lambda: _chunks(path), headers=headers)
            return str(answer["id"])
        return digest

    def submit(
        self,
        path: Path | str,
        *,
        detections: Path | str | None = None,
        idempotency_key: str | None = None,
        **parameters: Any,
    ) -> Job:
        """Upload a video and create a job with `parameters`, by the names of the API.

        Creating is repeated under one idempotency key, so an answer that got lost makes no second job.

        Args:
            path: the video.
            detections: file of COCO results that take the place of the service's detector.
            idempotency_key: the same key and request give the same job again.
            **parameters: of the job.
        """
        video_id = self.upload(path)
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        if detections is not None:
            form = {"video_id": video_id, "parameters": json.dumps(parameters)}
            files = {"detections": Path(detections).read_bytes()}
            return _job(self._document("POST", "/v1/jobs", data=form, files=files, headers=headers))
        body = {"video_id": video_id, "parameters": parameters}
        return _job(self._document("POST", "/v1/jobs", json=body, headers=headers))

    def job(self, job: Job | str, *, wait_s: float = 0, version: int | None = None) -> Job:
        """The job as it is now, or when it has ended, or changed from `version`, or after `wait_s` seconds."""
        query: dict[str, float] = {"wait": wait_s} if wait_s else {}
        if version is not None:
            query["version"] = version
        return _job(self._document("GET", f"/v1/jobs/{_id(job)}", params=query))

    def wait(
        self, job: Job | str, on_progress: Callable[[Job], None] | None = None, *, timeout_s: float | None = None
    ) -> Job:
        """Wait until the job has ended; `on_progress` gets the job after every change.

        Raises:
            Unavailable: it has not ended within `timeout_s` seconds.
        """
        deadline = None if timeout_s is None else self._clock.now() + timeout_s
        current = self.job(job)
        while not current.ended:
            if on_progress is not None:
                on_progress(current)
            left = 20.0 if deadline is None else deadline - self._clock.now()
            if left <= 0:
                raise Unavailable(f"job {current.id}: not ended within {timeout_s:g} s", code="timeout")
            current = self.job(current, wait_s=min(20.0, left), version=current.version)
        if on_progress is not None:
            on_progress(current)
        return current

    def result(self, job: Job | str, result_format: RESULT_FORMAT = "coco-rle") -> Any:
        """The result document of a finished job."""
        return self._document("GET", f"/v1/jobs/{_id(job)}/result", params={"format": result_format})

    def overlay(self, job: Job | str, path: Path | str) -> Path:
        """Fetch the overlay video into `path`."""
        path, url = Path(path), f"/v1/jobs/{_id(job)}/result"
        part = path.with_name(path.name + ".part")

        def fetch() -> None:
            with self._answered("GET", url, params={"format": "overlay-mp4"}) as answer, part.open("wb") as file:
                for chunk in answer.iter_bytes(CHUNK):
                    file.write(chunk)

        repeat(fetch, self._patience_s, self._clock)
        return part.replace(path)

    def cancel(self, job: Job | str) -> Job:
        """Cancel a job."""
        return _job(self._document("DELETE", f"/v1/jobs/{_id(job)}"))

    def delete_video(self, video_id: str) -> None:
        """Delete a video and its file."""
        self._request("DELETE", f"/v1/videos/{video_id}")

    def models(self) -> Any:
        """The networks that the service uses."""
        return self._document("GET", "/v1/models")

    def _document(self, method: str, url: str, **options: Any) -> Any:
        return document_of(self._request(method, url, **options))

    def _request(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Send, and send again while that can help. Every request here is safe to repeat."""

        def send() -> httpx.Response:
            # A streamed body is made again for every try.
            content = {"content": options["content"]()} if "content" in options else {}
            with self._answered(method, url, **{**options, **content}) as answer:
                answer.read()
                return answer

        return repeat(send, self._patience_s, self._clock)

    @contextmanager
    def _answered(self, method: str, url: str, **options: Any) -> Iterator[httpx.Response]:
        """One try: the answer, its body not yet read.

        Raises:
            CanPassError: another try can succeed.
            DualtrackError: none can.
        """
        try:
            with self._http.stream(method, url, **options) as answer:
                if not answer.is_success:
                    answer.read()
                    error = error_of(answer)
                    raise CanPassError(error, retry_after_s(answer)) if answer.status_code in PATIENCE else error
                yield answer
        except httpx.TransportError as error:
            failed = failure(self._http, error)
            if isinstance(failed, Unavailable):
                raise CanPassError(failed) from error
            raise failed from error


def _id(job: Job | str) -> str:
    return job if isinstance(job, str) else job.id


def _job(body: dict[str, Any]) -> Job:
    names = ("id", "video_id", "state", "attempt", "error", "version")
    progress = body["progress"]
    fields = Progress.__dataclass_fields__
    parsed = None if progress is None else Progress(**{name: progress[name] for name in fields})
    return Job(progress=parsed, **{name: body[name] for name in names})


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

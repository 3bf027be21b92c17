"""A client of the service: submit a video, follow the job, fetch its results. Synchronous, on httpx."""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from dualtrack.errors import (
    Conflict,
    DualtrackError,
    Gone,
    InvalidInput,
    InvalidParameter,
    InvalidVideo,
    NotFound,
    Overloaded,
    TooLarge,
    Unauthorized,
    Unavailable,
)

CHUNK = 1024 * 1024
ENDED = frozenset({"done", "failed", "canceled"})
ERROR_OF_STATUS: dict[int, type[DualtrackError]] = {
    401: Unauthorized,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: TooLarge,
    415: InvalidVideo,
    422: InvalidVideo,
}
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
    """A job as the service told it last."""

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
    Where the service says 429 or 503, requests are repeated after its `Retry-After`, for `patience_s` seconds.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8080",
        *,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        patience_s: float = 60.0,
    ) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=timeout_s)
        self._patience_s = patience_s

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
            self._request("GET", f"/v1/videos/{digest}")
        except NotFound:
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(path.stat().st_size)}
            answer = self._request("POST", "/v1/videos", content=lambda: _chunks(path), headers=headers)
            return str(answer.json()["id"])
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
            return _job(self._request("POST", "/v1/jobs", data=form, files=files, headers=headers).json())
        body = {"video_id": video_id, "parameters": parameters}
        return _job(self._request("POST", "/v1/jobs", json=body, headers=headers).json())

    def job(self, job: Job | str, *, wait_s: float = 0, version: int | None = None) -> Job:
        """The job as it is now, or when it has ended, or changed from `version`, or after `wait_s` seconds."""
        query: dict[str, float] = {"wait": wait_s} if wait_s else {}
        if version is not None:
            query["version"] = version
        return _job(self._request("GET", f"/v1/jobs/{_id(job)}", params=query).json())

    def wait(
        self, job: Job | str, on_progress: Callable[[Job], None] | None = None, *, timeout_s: float | None = None
    ) -> Job:
        """Wait until the job has ended; `on_progress` gets the job after every change.

        Raises:
            Unavailable: it has not ended within `timeout_s` seconds.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        current = self.job(job)
        while not current.ended:
            if on_progress is not None:
                on_progress(current)
            left = 20.0 if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise Unavailable(f"job {current.id}: not ended within {timeout_s:g} s", code="timeout")
            current = self.job(current, wait_s=min(20.0, left), version=current.version)
        if on_progress is not None:
            on_progress(current)
        return current

    def result(self, job: Job | str, result_format: RESULT_FORMAT = "coco-rle") -> Any:
        """The result document of a finished job."""
        return self._request("GET", f"/v1/jobs/{_id(job)}/result", params={"format": result_format}).json()

    def overlay(self, job: Job | str, path: Path | str) -> Path:
        """Fetch the overlay video into `path`."""
        path = Path(path)
        part = path.with_name(path.name + ".part")
        query = {"format": "overlay-mp4"}
        try:
            with self._http.stream("GET", f"/v1/jobs/{_id(job)}/result", params=query) as answer:
                if not answer.is_success:
                    answer.read()
                    raise error_of(answer)
                with part.open("wb") as file:
                    for chunk in answer.iter_bytes(CHUNK):
                        file.write(chunk)
        except httpx.TransportError as error:
            raise _unreachable(self._http.base_url, error) from error
        return part.replace(path)

    def cancel(self, job: Job | str) -> Job:
        """Cancel a job."""
        return _job(self._request("DELETE", f"/v1/jobs/{_id(job)}").json())

    def delete_video(self, video_id: str) -> None:
        """Delete a video and its file."""
        self._request("DELETE", f"/v1/videos/{video_id}")

    def models(self) -> Any:
        """The networks that the service uses."""
        return self._request("GET", "/v1/models").json()

    def _request(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Send, and send again while the service asks for patience. Every request here is safe to repeat."""
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                return self._send(method, url, options)
            except (Overloaded, Unavailable) as error:
                if time.monotonic() + error.retry_after_s > deadline:
                    raise
                time.sleep(error.retry_after_s)

    def _send(self, method: str, url: str, options: dict[str, Any]) -> httpx.Response:
        # A streamed body is made again for every try.
        content = {"content": options["content"]()} if "content" in options else {}
        try:
            answer = self._http.request(method, url, **{**options, **content})
        except httpx.TransportError as error:
            raise _unreachable(self._http.base_url, error) from error
        if not answer.is_success:
            raise error_of(answer)
        return answer


def error_of(answer: httpx.Response) -> DualtrackError:
    """The error that a problem answer stands for."""
    try:
        problem = answer.json()
        code, detail = str(problem["code"]), str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        code, detail = (
            "unexpected-answer",
            f"{answer.request.url}: status {answer.status_code}, no problem document",
        )
    if answer.status_code in {429, 503}:
        kind = Overloaded if answer.status_code == 429 else Unavailable
        after = answer.headers.get("retry-after", "")
        return kind(detail, code=code, retry_after_s=int(after) if after.isdecimal() else 1)
    if code == InvalidParameter.code:
        return InvalidParameter(detail, code=code)
    default = InvalidInput if 400 <= answer.status_code < 500 else DualtrackError
    return ERROR_OF_STATUS.get(answer.status_code, default)(detail, code=code)


def _unreachable(base_url: httpx.URL, error: httpx.TransportError) -> Unavailable:
    return Unavailable(f"service {base_url}: {type(error).__name__}: {error}", code="unreachable", retry_after_s=1)


def _id(job: Job | str) -> str:
    return job if isinstance(job, str) else job.id


def _job(body: dict[str, Any]) -> Job:
    names = ("id", "video_id", "state", "attempt", "error", "version")
    progress = body["progress"]
    fields = Progress.__dataclass_fields__
    told = None if progress is None else Progress(**{name: progress[name] for name in fields})
    return Job(progress=told, **{name: body[name] for name in names})


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

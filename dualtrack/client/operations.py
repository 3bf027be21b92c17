"""Operations of a client as generators that yield requests and receive the responses.

They define once, for both `Client` and `AsyncClient`, which requests are sent in which order; the clients send them.
"""

import json
import uuid
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from dualtrack.client.job import ENDED, JobReport, values_of
from dualtrack.client.retries import Clock
from dualtrack.errors import (
    DualtrackError,
    Gone,
    InvalidDetections,
    InvalidParameter,
    InvalidVideo,
    NotFound,
    Unavailable,
)
from dualtrack.formats.table import ResultFormat
from dualtrack.progress import OnProgress, Progress

T = TypeVar("T")
Document = Any
"""A JSON document from the service."""
LONG_POLL_S = 20.0
OVERLAY = "overlay"
"""Kind of the artifact that is the format `overlay-mp4`."""
NOT_STORED = frozenset({"unknown-video", "video-deleted"})


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request; all of them are safe to repeat.

    Attributes:
        method: HTTP method.
        path: path of the URL.
        options: keyword arguments of `httpx.Client.stream`: query, headers, JSON, form.
        body: file to stream as the body.
        save_to: file to which the response's body is written; the operation then receives None.
    """

    method: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    body: Path | None = None
    save_to: Path | None = None


@dataclass(frozen=True, slots=True)
class Hash:
    """Request for the SHA-256 of a file; it takes seconds for large files, so `AsyncClient` computes it in a thread."""

    path: Path


Operation = Generator[Call | Hash, Any, T]
"""Yields calls and receives the JSON document of each response; errors of the service are raised at the `yield`."""


def upload(path: Path) -> Operation[str]:
    """Upload a video unless the service has it; returns its id."""
    digest = yield from _video_id(path)
    try:
        yield Call("GET", f"/v1/videos/{digest}")
    except (NotFound, Gone):
        digest = yield from _send_video(path)
    return digest


def submit(
    path: Path, detections: Path | None, idempotency_key: str | None, parameters: Mapping[str, Any]
) -> Operation[Document]:
    """Create a job; the video is uploaded if the service does not have it.

    The job is requested before the upload, so that invalid parameters are rejected before a large file is sent.
    """
    digest = yield from _video_id(path)
    # one key for all attempts, so that a lost response does not lead to a second job
    create = _creation(digest, detections, idempotency_key or uuid.uuid4().hex, parameters)
    try:
        return (yield create)
    except DualtrackError as error:
        if error.code not in NOT_STORED:
            raise
    yield from _send_video(path)
    return (yield create)


def report(job: JobReport | str, wait_s: float = 0, version: int | None = None) -> Operation[Document]:
    """Read a job; with `wait_s`, wait up to this many seconds for its end or, given `version`, for its next change."""
    query: dict[str, float] = {"wait": wait_s} if wait_s else {}
    if version is not None:
        query["version"] = version
    return (yield Call("GET", f"/v1/jobs/{_id(job)}", {"params": query}))


def wait(
    job: JobReport | str, on_progress: OnProgress | None, timeout_s: float | None, clock: Clock
) -> Operation[Document]:
    """Wait until a job has ended; returns it."""
    deadline = None if timeout_s is None else clock.now() + timeout_s
    document = yield from report(job)
    latest: Progress | None = None
    while True:
        now = JobReport(**values_of(document))
        # an ended job has no progress any more
        whole = replace(latest, done=latest.total, fraction=1.0, eta_s=0.0) if latest and now.state == "done" else None
        latest = now.progress or whole
        if on_progress is not None and latest is not None:
            on_progress(latest)
        if now.state in ENDED:
            return document
        left_s = LONG_POLL_S if deadline is None else deadline - clock.now()
        if left_s <= 0:
            raise Unavailable(
                f"job {now.id}: expected it to end within {timeout_s:g} s, got state {now.state}", code="timeout"
            )
        document = yield from report(now, min(LONG_POLL_S, left_s), now.version)


def result(job: JobReport | str) -> Operation[Any]:
    """Read the JSON document of a result."""
    return (yield Call("GET", f"/v1/jobs/{_id(job)}/result"))


def download(
    job: JobReport | str,
    result_format: str,
    path: Path,
    single_class: bool,
    on_progress: OnProgress | None,
    timeout_s: float | None,
    clock: Clock,
) -> Operation[Path]:
    """Download a file of a result, the overlay once it is drawn; returns its path."""
    if result_format not in set(ResultFormat):
        raise InvalidParameter(f"format: expected one of {', '.join(ResultFormat)}; got {result_format}")
    if result_format == ResultFormat.OVERLAY_MP4:
        yield from _until_drawn(job, on_progress, timeout_s, clock)
    part = path.with_name(path.name + ".part")
    try:
        query = {"format": str(result_format), **({"single_class": "true"} if single_class else {})}
        yield Call("GET", f"/v1/jobs/{_id(job)}/result", {"params": query}, save_to=part)
        return part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def create_artifact(job: JobReport | str, kind: str) -> Operation[Document]:
    """Request an artifact; returns it."""
    return (yield Call("POST", f"/v1/jobs/{_id(job)}/artifacts", {"json": {"kind": kind}}))


def cancel(job: JobReport | str) -> Operation[Document]:
    """Cancel a job; returns it."""
    return (yield Call("DELETE", f"/v1/jobs/{_id(job)}"))


def delete_video(video_id: str) -> Operation[None]:
    """Delete a video."""
    yield Call("DELETE", f"/v1/videos/{video_id}")


def models() -> Operation[Any]:
    """Read the description of the networks in use."""
    return (yield Call("GET", "/v1/models"))


def _until_drawn(
    job: JobReport | str, on_progress: OnProgress | None, timeout_s: float | None, clock: Clock
) -> Operation[None]:
    """Wait until the overlay of a job is neither waiting nor being drawn."""
    deadline = None if timeout_s is None else clock.now() + timeout_s
    now = JobReport(**values_of((yield from report(job))))
    latest: Progress | None = None
    while drawn := next((each for each in now.artifacts if each.kind == OVERLAY), None):
        latest = drawn.progress or latest
        if latest is not None and drawn.state == "done":
            latest = replace(latest, done=latest.total, fraction=1.0, eta_s=0.0)
        if on_progress is not None and latest is not None:
            on_progress(latest)
        if drawn.ended:
            return
        left_s = LONG_POLL_S if deadline is None else deadline - clock.now()
        if left_s <= 0:
            raise Unavailable(
                f"job {now.id}: expected its overlay within {timeout_s:g} s, got state {drawn.state}", code="timeout"
            )
        now = JobReport(**values_of((yield from report(now, min(LONG_POLL_S, left_s), now.version))))


def _creation(digest: str, detections: Path | None, key: str, parameters: Mapping[str, Any]) -> Call:
    headers = {"Idempotency-Key": key}
    if detections is None:
        body = {"video_id": digest, "parameters": dict(parameters)}
        return Call("POST", "/v1/jobs", {"json": body, "headers": headers})
    if not detections.is_file():
        raise InvalidDetections(f"detections: expected a file, got {detections}")
    form = {"parameters": json.dumps(dict(parameters)), "video_id": digest}
    files = {"detections": detections.read_bytes()}
    return Call("POST", "/v1/jobs", {"data": form, "files": files, "headers": headers})


def _send_video(path: Path) -> Operation[str]:
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(path.stat().st_size)}
    video_id: str = (yield Call("POST", "/v1/videos", {"headers": headers}, body=path))["id"]
    return video_id


def _video_id(path: Path) -> Operation[str]:
    if not path.is_file():
        raise InvalidVideo(f"video: expected a file, got {path}", code="no-such-file")
    digest: str = yield Hash(path)
    return digest


def _id(job: JobReport | str) -> str:
    return job if isinstance(job, str) else job.id

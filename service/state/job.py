"""One job, as stored in its Redis hash."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dualtrack.errors import InvalidParameter, NewerFormat

FORMAT = 2
"""Of a job's hash, in its field `format`; a hash without one is of format 0, which is read as well.

Since format 2 detections files are separate from videos; before, they were in one folder (`blobs.first_name`).

Counts up when a field changes its meaning, or when one is added that must not be ignored: a process that finds a
higher number leaves the job alone (`begin.lua`, `cancel.lua`, `parse`).
"""
MOST_PARAMETER_BYTES = 8192


class JobState(StrEnum):
    """State of a job."""

    QUEUED = "queued"  # waiting for a worker
    RUNNING = "running"  # held by an attempt
    DONE = "done"  # the result is available
    FAILED = "failed"  # permanently; `error` has the reason
    CANCELED = "canceled"  # on request


TERMINAL = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELED})


@dataclass(frozen=True, slots=True)
class JobProgress:
    """Progress of a job: stage, frames done in it, fraction of the whole job, frames per second, seconds left."""

    stage: str
    done: int
    total: int
    fraction: float
    rate: float | None
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class JobSummary:
    """What a result contains, for clients that do not read it.

    Attributes:
        tubelets: number of tubelets in the result.
        left_out: number of those below `min_score`, which it does not contain.
        max_seeds_reached: whether the limit `max_seeds` was reached in a chunk.
    """

    tubelets: int
    left_out: int
    max_seeds_reached: bool


@dataclass(frozen=True, slots=True)
class Job:
    """One job as stored.

    Attributes:
        attempt: number of the attempt that holds or held it; the fencing token.
        detections: sha256 of the file that replaces the detector, or None.
        result: folder of the result below the blob store's root.
        summary: of the result; None until the job is done, and for jobs of earlier versions.
        video_deleted: the video was deleted; this remains if the same file is uploaded again.
        request_id: of the HTTP request that created it, for the log; None if it is unknown.
        version: grows with every change, its artifacts' included.
        open_artifacts: number of its artifacts that wait or are being made.
        format: see `FORMAT`.
    """

    id: str
    video_id: str
    parameters: dict[str, Any]
    detections: str | None
    state: JobState
    attempt: int
    progress: JobProgress | None
    error: dict[str, str] | None
    result: str | None
    summary: JobSummary | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    cancel_requested: bool
    video_deleted: bool
    request_id: str | None
    version: int
    open_artifacts: int
    format: int


def stored_parameters(parameters: Mapping[str, Any]) -> str:
    """Parameters as they are stored for the lifetime of the job, for retries and repeated requests.

    Raises:
        InvalidParameter: they are too large.
    """
    text = json.dumps(parameters, separators=(",", ":"))
    if len(text) > MOST_PARAMETER_BYTES:
        detail = f"parameters: expected at most {MOST_PARAMETER_BYTES} bytes as compact JSON, got {len(text)}"
        raise InvalidParameter(detail)
    return text


def fields_of(answer: Sequence[str]) -> dict[str, str]:
    """Parse a hash returned by a script: name, value, name, value …."""
    return dict(zip(answer[::2], answer[1::2], strict=True))


def format_number(fields: Mapping[str, str], newest: int, name: str) -> int:
    """The format number of a hash; 0 if it has none.

    Raises:
        NewerFormat: it is higher than `newest`.
    """
    number = int(fields.get("format", 0))
    if number > newest:
        raise NewerFormat(f"{name}: its format {number} is newer than {newest}, the newest that this version reads")
    return number


def parse(fields: Mapping[str, str]) -> Job:
    """Parse a job's hash.

    Raises:
        NewerFormat: the hash was written by a newer version, in a newer format.
    """
    number = format_number(fields, FORMAT, f"job {fields.get('id', '')}")

    def time_of(name: str) -> float | None:
        return float(fields[name]) if name in fields else None

    return Job(
        id=fields["id"],
        video_id=fields["video_id"],
        parameters=json.loads(fields["parameters"]),
        detections=fields.get("detections"),
        state=JobState(fields["state"]),
        attempt=int(fields["attempt"]),
        progress=JobProgress(**json.loads(fields["progress"])) if "progress" in fields else None,
        error=json.loads(fields["error"]) if "error" in fields else None,
        result=fields.get("result"),
        summary=JobSummary(**json.loads(fields["summary"])) if "summary" in fields else None,
        created_at=float(fields["created_at"]),
        started_at=time_of("started_at"),
        finished_at=time_of("finished_at"),
        cancel_requested=fields.get("cancel") == "1",
        video_deleted=fields.get("video_deleted") == "1",
        request_id=fields.get("request_id"),
        version=int(fields["version"]),
        open_artifacts=int(fields.get("open_artifacts", 0)),
        format=number,
    )

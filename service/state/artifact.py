"""One artifact, as stored in its Redis hash: a file derived from a committed result or from a video."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from service.state.job import JobProgress, format_number

FORMAT = 1
"""Of an artifact's hash, in its field `format`; see `job.FORMAT`."""
OF_JOB, OF_VIDEO = "job", "video"


class ArtifactState(StrEnum):
    """State of an artifact."""

    WAITING = "waiting"  # for a worker
    RUNNING = "running"  # held by an attempt
    DONE = "done"  # the file is available
    FAILED = "failed"  # until it is requested again; `error` has the reason


OPEN = frozenset({ArtifactState.WAITING, ArtifactState.RUNNING})


@dataclass(frozen=True, slots=True)
class ArtifactKey:
    """What identifies an artifact.

    Attributes:
        owner: `job:ID` or `video:ID`; the artifact is deleted with it and expires no later.
        kind: what is made, such as `overlay`.
        options: how it is made, as JSON; other options, another artifact.
    """

    owner: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def options_text(self) -> str:
        """The options as compact JSON in a fixed order."""
        return json.dumps(self.options, sort_keys=True, separators=(",", ":"))

    @property
    def name(self) -> str:
        """The key as one word: owner, kind and digest of the options."""
        return f"{self.owner}:{self.kind}:{hashlib.sha256(self.options_text.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One artifact as stored.

    Attributes:
        name: see `ArtifactKey.name`.
        attempt: number of the attempt that holds or held it; the fencing token. It grows over all requests.
        progress: of a running attempt.
        file: name of the file below the blob store's root, and its size.
        error: `code` and `detail` of a failed one.
        format: see `FORMAT`.
    """

    name: str
    kind: str
    options: dict[str, Any]
    state: ArtifactState
    attempt: int
    progress: JobProgress | None
    error: dict[str, str] | None
    file: str | None
    size_bytes: int | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    format: int

    @property
    def owner_id(self) -> str:
        """Id of the job or video."""
        return self.name.split(":")[1]


def owner_of(name: str) -> str:
    """The owner in an artifact's name: `job:ID` or `video:ID`."""
    return ":".join(name.split(":")[:2])


def kind_of(name: str) -> str:
    """The kind in an artifact's name."""
    return name.split(":")[2]


def parse_artifact(fields: Mapping[str, str]) -> Artifact:
    """Parse an artifact's hash.

    Raises:
        NewerFormat: the hash was written by a newer version, in a newer format.
    """
    number = format_number(fields, FORMAT, f"artifact {fields.get('name', '')}")

    def time_of(name: str) -> float | None:
        return float(fields[name]) if name in fields else None

    return Artifact(
        name=fields["name"],
        kind=fields["kind"],
        options=json.loads(fields["options"]),
        state=ArtifactState(fields["state"]),
        attempt=int(fields["attempt"]),
        progress=JobProgress(**json.loads(fields["progress"])) if "progress" in fields else None,
        error=json.loads(fields["error"]) if "error" in fields else None,
        file=fields.get("file"),
        size_bytes=int(fields["size_bytes"]) if "size_bytes" in fields else None,
        created_at=float(fields["created_at"]),
        started_at=time_of("started_at"),
        finished_at=time_of("finished_at"),
        format=number,
    )

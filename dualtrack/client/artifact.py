"""Artifacts of a job: files that the service makes from its result after the job is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dualtrack.progress import Progress

PROGRESS_FIELDS = tuple(Progress.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """An artifact of a job when the service last reported it.

    Attributes:
        kind: what it is: `overlay`.
        state: `waiting`, `running`, `done` or `failed`.
        attempt: number of the current attempt; 0 before the first. It grows when a worker dies and another takes over.
        progress: progress while it is made; None before and after.
        error: `code` and `detail` of the error of a failed artifact; None unless it failed.
        size_bytes: size of the file; None until it is done.

    Example:
        >>> for artifact in client.job(job).artifacts:
        ...     print(artifact.kind, artifact.state)
    """

    kind: str
    state: str
    attempt: int
    progress: Progress | None
    error: Mapping[str, Any] | None
    size_bytes: int | None

    @property
    def ended(self) -> bool:
        """Whether the artifact is done or failed."""
        return self.state in {"done", "failed"}


def progress_of(document: Mapping[str, Any] | None) -> Progress | None:
    """Convert the service's JSON document of a progress."""
    return None if document is None else Progress(**{name: document[name] for name in PROGRESS_FIELDS})


def artifact_of(document: Mapping[str, Any]) -> Artifact:
    """Convert the service's JSON document of an artifact; unknown members are ignored."""
    values = {name: document[name] for name in Artifact.__dataclass_fields__}
    return Artifact(**{**values, "progress": progress_of(document["progress"])})

"""A job of a service, as it last reported it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dualtrack.progress import OnProgress, Progress
from dualtrack.result.result import Result

if TYPE_CHECKING:
    from dualtrack.client.async_client import AsyncClient
    from dualtrack.client.client import Client

ENDED = frozenset({"done", "failed", "canceled"})
PROGRESS_FIELDS = tuple(each.name for each in fields(Progress))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """What the service reported of a job.

    Attributes:
        id: of the job.
        video_id: SHA-256 of the video's file.
        state: `queued`, `running`, `done`, `failed` or `canceled`.
        attempt: 0 before the first try; a worker that dies is followed by another try.
        progress: None before the job starts.
        error: `code` and `detail` of a failed job.
        version: grows with every change.
    """

    id: str
    video_id: str
    state: str
    attempt: int
    progress: Progress | None
    error: Mapping[str, Any] | None
    version: int

    @property
    def ended(self) -> bool:
        """Whether it is done, failed or canceled."""
        return self.state in ENDED


def values_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a report from the service's JSON document; members that it does not know are left out."""
    values = {each.name: document[each.name] for each in fields(JobReport)}
    progress = values["progress"]
    if progress is not None:
        values["progress"] = Progress(**{name: progress[name] for name in PROGRESS_FIELDS})
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(JobReport):
    """A job of a `Client`.

    The attributes are a snapshot; `wait` and `cancel` return a newer one.

    Example:
        >>> job = client.submit("clip.mp4", th_det=0.3)
        >>> result = job.wait().result()
    """

    client: "Client" = field(repr=False, compare=False)

    @classmethod
    def of(cls, document: Mapping[str, Any], client: "Client") -> Self:
        """The job that the service's JSON document describes."""
        return cls(**values_of(document), client=client)

    def wait(self, on_progress: OnProgress | None = None, *, timeout_s: float | None = None) -> "Job":
        """`Client.wait` for this job."""
        return self.client.wait(self, on_progress, timeout_s=timeout_s)

    def result(self) -> Result:
        """`Client.result` of this job."""
        return self.client.result(self)

    def download(self, result_format: str, path: Path | str) -> Path:
        """`Client.download` of this job's result."""
        return self.client.download(self, result_format, path)

    def cancel(self) -> "Job":
        """`Client.cancel` for this job."""
        return self.client.cancel(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncJob(JobReport):
    """A job of an `AsyncClient`; the same methods as of `Job`, awaited."""

    client: "AsyncClient" = field(repr=False, compare=False)

    @classmethod
    def of(cls, document: Mapping[str, Any], client: "AsyncClient") -> Self:
        """The job that the service's JSON document describes."""
        return cls(**values_of(document), client=client)

    async def wait(self, on_progress: OnProgress | None = None, *, timeout_s: float | None = None) -> "AsyncJob":
        """`AsyncClient.wait` for this job."""
        return await self.client.wait(self, on_progress, timeout_s=timeout_s)

    async def result(self) -> Result:
        """`AsyncClient.result` of this job."""
        return await self.client.result(self)

    async def download(self, result_format: str, path: Path | str) -> Path:
        """`AsyncClient.download` of this job's result."""
        return await self.client.download(self, result_format, path)

    async def cancel(self) -> "AsyncJob":
        """`AsyncClient.cancel` for this job."""
        return await self.client.cancel(self)

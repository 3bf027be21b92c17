"""Jobs of a service, as snapshots."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol, Self

from dualtrack.client.artifact import Artifact, artifact_of, progress_of
from dualtrack.progress import OnProgress, Progress
from dualtrack.result.result import Result

ENDED = frozenset({"done", "failed", "canceled"})


@dataclass(frozen=True, slots=True)
class JobSummary:
    """What the result of a done job contains.

    Attributes:
        tubelets: number of tubelets in the result.
        left_out: number of tubelets that it does not contain, because their score is below the parameter `min_score`.
        max_seeds_reached: whether the limit `max_seeds` was reached in any chunk, so objects may be missing.

    Example:
        >>> summary = job.wait().summary
        >>> if summary is not None and summary.max_seeds_reached:
        ...     print("objects may be missing; raise max_seeds")
    """

    tubelets: int
    left_out: int
    max_seeds_reached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """The state of a job when the service last reported it.

    Attributes:
        id: id of the job.
        video_id: SHA-256 of the video file, 64 hexadecimal digits.
        state: `queued`, `running`, `done`, `failed` or `canceled`.
        attempt: number of the current attempt; 0 before the first. It grows when a worker dies and another takes over.
        progress: progress of the job; None before it starts.
        error: `code` and `detail` of the error of a failed job; None unless the job failed.
        version: number that grows with every change of the job and its artifacts.
        artifacts: files that are made from the result after the job is done, such as the overlay.
        summary: what the result contains; None until the job is done, and from services of earlier versions.
    """

    id: str
    video_id: str
    state: str
    attempt: int
    progress: Progress | None
    error: Mapping[str, Any] | None
    version: int
    artifacts: tuple[Artifact, ...] = ()
    summary: JobSummary | None = None

    @property
    def ended(self) -> bool:
        """Whether the job is done, failed or canceled."""
        return self.state in ENDED


def values_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the service's JSON document of a job to the fields of `JobReport`; unknown members are ignored."""
    # services of earlier versions do not have these members
    known = {"artifacts": (), "summary": None, **document}
    values = {each.name: known[each.name] for each in fields(JobReport)}
    artifacts = tuple(artifact_of(each) for each in values["artifacts"])
    made = {
        "progress": progress_of(values["progress"]),
        "artifacts": artifacts,
        "summary": summary_of(values["summary"]),
    }
    return {**values, **made}


def summary_of(document: Mapping[str, Any] | None) -> JobSummary | None:
    """Convert the service's JSON document of a summary; unknown members are ignored."""
    return None if document is None else JobSummary(**{each.name: document[each.name] for each in fields(JobSummary)})


# protocols, so that the module of jobs does not import those of the clients, which import it
class JobClient(Protocol):
    """What a `Job` needs of the client that returned it; see `Client`."""

    def wait(self, job: "Job", on_progress: OnProgress | None = None, *, timeout_s: float | None = None) -> "Job":
        """See `Client.wait`."""
        ...

    def result(self, job: "Job") -> Result:
        """See `Client.result`."""
        ...

    def download(
        self,
        job: "Job",
        result_format: str,
        path: Path | str,
        *,
        single_class: bool = False,
        on_progress: OnProgress | None = None,
        timeout_s: float | None = None,
    ) -> Path:
        """See `Client.download`."""
        ...

    def create_artifact(self, job: "Job", kind: str = "overlay") -> Artifact:
        """See `Client.create_artifact`."""
        ...

    def cancel(self, job: "Job") -> "Job":
        """See `Client.cancel`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(JobReport):
    """A job of a service, as `Client` returns it.

    A job is a snapshot: its attributes do not change. `wait`, `cancel` and `Client.job` return newer snapshots.

    Attributes:
        id: id of the job.
        video_id: SHA-256 of the video file, 64 hexadecimal digits.
        state: `queued`, `running`, `done`, `failed` or `canceled`.
        attempt: number of the current attempt; 0 before the first. It grows when a worker dies and another takes over.
        progress: progress of the job; None before it starts.
        error: `code` and `detail` of the error of a failed job; None unless the job failed.
        version: number that grows with every change of the job and its artifacts.
        artifacts: files that are made from the result after the job is done, such as the overlay.
        summary: what the result contains; None until the job is done, and from services of earlier versions.
        client: client that returned the job.

    Example:
        >>> import dualtrack
        >>> with dualtrack.Client("http://127.0.0.1:8080") as client:
        ...     job = client.submit("clip.mp4", th_det=0.3)
        ...     print(job.id, job.state)
        ...     result = job.wait().result()
    """

    client: JobClient = field(repr=False, compare=False)

    @classmethod
    def of(cls, document: Mapping[str, Any], client: JobClient) -> Self:
        """Convert the service's JSON document of a job."""
        return cls(**values_of(document), client=client)

    def wait(self, on_progress: OnProgress | None = None, *, timeout_s: float | None = None) -> "Job":
        """Wait until the job is done, failed or canceled; arguments and errors are those of `Client.wait`.

        Returns:
            The job after its end.

        Example:
            >>> job = job.wait(timeout_s=600)
        """
        return self.client.wait(self, on_progress, timeout_s=timeout_s)

    def result(self) -> Result:
        """Read the result of the finished job; errors are those of `Client.result`.

        Example:
            >>> result = job.wait().result()
        """
        return self.client.result(self)

    def download(
        self,
        result_format: str,
        path: Path | str,
        *,
        single_class: bool = False,
        on_progress: OnProgress | None = None,
        timeout_s: float | None = None,
    ) -> Path:
        """Download a file of the finished job's result; arguments and errors are those of `Client.download`.

        Returns:
            The path of the file.

        Example:
            >>> path = job.download("overlay-mp4", "overlay.mp4")
        """
        return self.client.download(
            self, result_format, path, single_class=single_class, on_progress=on_progress, timeout_s=timeout_s
        )

    def create_artifact(self, kind: str = "overlay") -> Artifact:
        """Request a file that is made from the finished job's result; errors are those of `Client.create_artifact`.

        Returns:
            The artifact; `download` waits for it.

        Example:
            >>> artifact = job.create_artifact("overlay")
        """
        return self.client.create_artifact(self, kind)

    def cancel(self) -> "Job":
        """Cancel the job if it has not ended; errors are those of `Client.cancel`.

        Returns:
            The job after the request; a running job stops soon after.

        Example:
            >>> job = job.cancel()
        """
        return self.client.cancel(self)


class AsyncJobClient(Protocol):
    """What an `AsyncJob` needs of the client that returned it; see `AsyncClient`."""

    async def wait(
        self, job: "AsyncJob", on_progress: OnProgress | None = None, *, timeout_s: float | None = None
    ) -> "AsyncJob":
        """See `AsyncClient.wait`."""
        ...

    async def result(self, job: "AsyncJob") -> Result:
        """See `AsyncClient.result`."""
        ...

    async def download(
        self,
        job: "AsyncJob",
        result_format: str,
        path: Path | str,
        *,
        single_class: bool = False,
        on_progress: OnProgress | None = None,
        timeout_s: float | None = None,
    ) -> Path:
        """See `AsyncClient.download`."""
        ...

    async def create_artifact(self, job: "AsyncJob", kind: str = "overlay") -> Artifact:
        """See `AsyncClient.create_artifact`."""
        ...

    async def cancel(self, job: "AsyncJob") -> "AsyncJob":
        """See `AsyncClient.cancel`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncJob(JobReport):
    """A job of a service, as `AsyncClient` returns it: a `Job` whose methods are coroutines.

    Example:
        >>> import asyncio
        >>> import dualtrack
        >>> async def main() -> None:
        ...     async with dualtrack.AsyncClient("http://127.0.0.1:8080") as client:
        ...         job = await client.submit("clip.mp4", th_det=0.3)
        ...         job = await job.wait()
        ...         result = await job.result()
        >>> asyncio.run(main())
    """

    client: AsyncJobClient = field(repr=False, compare=False)

    @classmethod
    def of(cls, document: Mapping[str, Any], client: AsyncJobClient) -> Self:
        """Convert the service's JSON document of a job."""
        return cls(**values_of(document), client=client)

    async def wait(self, on_progress: OnProgress | None = None, *, timeout_s: float | None = None) -> "AsyncJob":
        """Wait until the job is done, failed or canceled; see `Job.wait`."""
        return await self.client.wait(self, on_progress, timeout_s=timeout_s)

    async def result(self) -> Result:
        """Read the result of the finished job; see `Job.result`."""
        return await self.client.result(self)

    async def download(
        self,
        result_format: str,
        path: Path | str,
        *,
        single_class: bool = False,
        on_progress: OnProgress | None = None,
        timeout_s: float | None = None,
    ) -> Path:
        """Download a file of the finished job's result; see `Job.download`."""
        return await self.client.download(
            self, result_format, path, single_class=single_class, on_progress=on_progress, timeout_s=timeout_s
        )

    async def create_artifact(self, kind: str = "overlay") -> Artifact:
        """Request a file that is made from the finished job's result; see `Job.create_artifact`."""
        return await self.client.create_artifact(self, kind)

    async def cancel(self) -> "AsyncJob":
        """Cancel the job if it has not ended; see `Job.cancel`."""
        return await self.client.cancel(self)

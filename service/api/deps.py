"""What routes need, taken from the state that the lifespan opened."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Depends, Path
from starlette.requests import Request

from dualtrack.errors import NotFound, Overloaded
from service.api.metrics.api import ApiMetrics
from service.api.schemas import EXAMPLE_JOB, EXAMPLE_VIDEO
from service.wiring import Parts

VIDEO = re.compile(r"[0-9a-f]{64}")
JOB_ID = re.compile(r"[A-Za-z0-9_\-]{1,64}")


class UploadSlots:
    """How many uploads may run at the same time: each holds a descriptor, a hash thread and, later, a probe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0

    @contextmanager
    def hold(self) -> Iterator[None]:
        """One slot for the length of the block, or Overloaded."""
        if self._taken >= self._limit:
            raise Overloaded(
                f"uploads: at most {self._limit} run at the same time", code="too-many-uploads", retry_after_s=2
            )
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


def get_parts(request: Request) -> Parts:
    """The wired parts of the service."""
    parts: Parts = request.state.parts
    return parts


def get_slots(request: Request) -> UploadSlots:
    """The process's upload slots."""
    slots: UploadSlots = request.state.slots
    return slots


def get_metrics(request: Request) -> ApiMetrics:
    """The API's series."""
    metrics: ApiMetrics = request.app.state.metrics
    return metrics


def get_stopping(request: Request) -> asyncio.Event:
    """Set once the process stops."""
    stopping: asyncio.Event = request.app.state.stopping
    return stopping


def get_prefix(request: Request) -> str:
    """The path prefix under which the client reaches the service; links begin with it."""
    return str(request.scope.get("root_path", ""))


def get_video_id(video_id: Annotated[str, Path(description="SHA-256 of the video.", examples=[EXAMPLE_VIDEO])]) -> str:
    """A video id that can exist; any other is as unknown as one that does not."""
    if not VIDEO.fullmatch(video_id):
        raise NotFound(f"video: expected the SHA-256 of a video, got {video_id[:80]!r}", code="unknown-video")
    return video_id


def get_job_id(job_id: Annotated[str, Path(description="Id of the job.", examples=[EXAMPLE_JOB])]) -> str:
    """A job id that can exist."""
    if not JOB_ID.fullmatch(job_id):
        raise NotFound(f"job: no job has the id {job_id[:80]!r}", code="unknown-job")
    return job_id


PartsDep = Annotated[Parts, Depends(get_parts)]
SlotsDep = Annotated[UploadSlots, Depends(get_slots)]
MetricsDep = Annotated[ApiMetrics, Depends(get_metrics)]
StoppingDep = Annotated[asyncio.Event, Depends(get_stopping)]
Prefix = Annotated[str, Depends(get_prefix)]
VideoId = Annotated[str, Depends(get_video_id)]
JobId = Annotated[str, Depends(get_job_id)]

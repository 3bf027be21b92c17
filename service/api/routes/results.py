"""Results of a job, in three formats."""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from dualtrack.errors import Gone, NotFound
from service.api.deps import JobId, PartsDep
from service.api.openapi import refusals
from service.api.problems import Problem, RequestProblem
from service.api.schemas import progress_of
from service.state.job import Job, JobState

router = APIRouter(prefix="/v1/jobs", tags=["results"])


class ResultFormat(StrEnum):
    """How a result is written."""

    COCO_RLE = "coco-rle"
    YTVIS = "ytvis"
    OVERLAY_MP4 = "overlay-mp4"


@dataclass(frozen=True, slots=True)
class ResultFile:
    """Where a format lies in a job's result folder."""

    name: str
    media_type: str


FILES = {
    ResultFormat.COCO_RLE: ResultFile("tubelets.json", "application/json"),
    ResultFormat.YTVIS: ResultFile("ytvis.json", "application/json"),
    ResultFormat.OVERLAY_MP4: ResultFile("overlay.mp4", "video/mp4"),
}
OK = {
    "description": "The file.",
    "headers": {"ETag": {"schema": {"type": "string"}}},
    "content": {
        "application/json": {"schema": {}},
        "video/mp4": {"schema": {"type": "string", "format": "binary"}},
    },
}


@router.get(
    "/{job_id}/result",
    response_class=Response,
    responses={
        200: OK,
        206: {**OK, "description": "The part of the file that `Range` asked for."},
        304: {"description": "Not changed since the given `ETag`."},
        **refusals(400, 404, 409, 410, 416),
    },
)
async def get_result(
    job_id: JobId,
    parts: PartsDep,
    kind: Annotated[ResultFormat, Query(alias="format")] = ResultFormat.COCO_RLE,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The result of a finished job: tubelets as COCO RLE, YouTube-VIS records, or the overlay video."""
    job = await parts.jobs.get(job_id)
    if job.state is not JobState.DONE or job.result is None:
        raise _not_there(job)
    if kind is ResultFormat.OVERLAY_MP4 and job.parameters.get("overlay") is False:
        raise NotFound(f"job {job.id}: it was asked for no overlay", code="no-overlay")
    etag = f'"{job.id}-{job.attempt}-{kind}"'
    if if_none_match is not None and _matches(if_none_match, etag):
        return Response(status_code=304, headers={"ETag": etag})
    file = FILES[kind]
    path: Path = parts.blobs.root / job.result / file.name
    stat = await run_in_threadpool(_stat, path)
    if stat is None:
        raise Gone(f"job {job.id}: its result was deleted", code="result-deleted")
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    return FileResponse(
        path,
        headers=headers,
        media_type=file.media_type,
        filename=file.name,
        stat_result=stat,
        content_disposition_type="inline",
    )


def _not_there(job: Job) -> RequestProblem:
    """409 with how far the job is, or why it will never have a result."""
    if job.state is JobState.FAILED:
        error = job.error or {"code": "internal", "detail": "no reason given"}
        detail = f"job {job.id}: failed: {error.get('code')}: {error.get('detail')}"
        return RequestProblem(Problem(409, "job-failed", detail, {"job_error": error}))
    if job.state is JobState.CANCELED:
        return RequestProblem(Problem(409, "job-canceled", f"job {job.id}: was cancelled and has no result"))
    extensions = {"state": str(job.state), "progress": progress_of(job)}
    detail = f"job {job.id}: expected state done, got {job.state}"
    return RequestProblem(Problem(409, "not-ready", detail, extensions, {"Retry-After": "1"}))


def _matches(header: str, etag: str) -> bool:
    given = {each.strip().removeprefix("W/") for each in header.split(",")}
    return "*" in given or etag in given


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None

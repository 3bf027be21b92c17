"""Results of a job, in three formats. The overlay is an artifact, which is made after the job is done."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, StreamingResponse

from dualtrack.errors import Gone, NotFound
from dualtrack.formats import ytvis
from dualtrack.formats.table import BEFORE_SCHEMA_1, FILES, ResultFormat
from dualtrack.result.file import ResultFile
from dualtrack.result.model import SCHEMA
from service.api.deps import JobId, PartsDep, Prefix, StoppingDep
from service.api.openapi.responses import DESCRIPTIONS, refusals
from service.api.openapi.results import OK, PARTIAL
from service.api.problems import Problem, RequestProblem
from service.api.schemas import ArtifactKind, ArtifactOut, progress_of
from service.api.server.draining import unless_stopping
from service.state.artifact import OF_JOB, OPEN, Artifact, ArtifactState
from service.state.job import TERMINAL, Job, JobState
from service.wiring import Parts

SINGLE_CLASS = "With `format=ytvis`: one record per tubelet, with its own category alone."
router = APIRouter(prefix="/v1/jobs", tags=["results"])

MAX_WAIT_S = 60

FORMAT = (
    "`coco-rle`: JSON with every tubelet's masks as COCO RLE. `ytvis`: YouTube-VIS `results.json`, with a record for "
    "each category that a tubelet may belong to. "
    "`overlay-mp4`: the video with the objects drawn on it."
)


@router.get(
    "/{job_id}/result",
    response_class=Response,
    responses={
        200: OK,
        206: PARTIAL,
        304: {"description": DESCRIPTIONS[304]},
        **refusals(400, 404, 409, 410, 416),
    },
)
async def get_result(
    job_id: JobId,
    parts: PartsDep,
    prefix: Prefix,
    stopping: StoppingDep,
    kind: Annotated[ResultFormat, Query(alias="format", description=FORMAT)] = ResultFormat.COCO_RLE,
    single_class: Annotated[bool, Query(description=SINGLE_CLASS)] = False,
    wait: Annotated[
        float, Query(ge=0, le=MAX_WAIT_S, description="Wait up to this many seconds for the job and the overlay.")
    ] = 0,
    if_none_match: Annotated[
        str | None, Header(description="An `ETag`: if the result still has it, the answer is 304 without a body.")
    ] = None,
) -> Response:
    """The result of a finished job.

    409 with the progress if the job is not done, and with the artifact if the overlay is not drawn yet; 409
    `artifact-failed` with the reason if the overlay could not be drawn.
    """
    job = await _awaited(parts, job_id, kind, wait, stopping)
    folder = result_folder(parts, job)
    path, version = folder / FILES[kind].stored, f"{job.id}-{job.attempt}-{kind}-{SCHEMA}"
    if kind is ResultFormat.OVERLAY_MP4 and (overlay := await _overlay(parts, job, prefix)) is not None:
        path, version = parts.blobs.root / (overlay.file or ""), f"{version}-{overlay.attempt}"
    elif kind is ResultFormat.OVERLAY_MP4 and not await run_in_threadpool(path.exists):
        # results of earlier versions have their overlay in their own folder
        detail = f"job {job.id}: it has no overlay; POST /v1/jobs/{job.id}/artifacts requests one"
        raise NotFound(detail, code="no-overlay")
    own_class = single_class and kind is ResultFormat.YTVIS
    etag = f'"{version}-single"' if own_class else f'"{version}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and _matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    try:
        if kind is ResultFormat.COCO_RLE:
            return await run_in_threadpool(_document, folder, headers)
        if own_class:
            return await run_in_threadpool(_single_class, folder, headers)
        return await run_in_threadpool(_file, path, kind, headers)
    except FileNotFoundError as error:
        raise Gone(f"job {job.id}: its result was deleted", code="result-deleted") from error


async def _awaited(parts: Parts, job_id: str, kind: ResultFormat, wait: float, stopping: asyncio.Event) -> Job:
    """The job once its result, or its overlay, can be read or never will be; or after `wait` seconds."""
    deadline = time.monotonic() + wait
    job = await parts.jobs.get(job_id)
    while job.state not in TERMINAL or (kind is ResultFormat.OVERLAY_MP4 and job.open_artifacts):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        changed = await unless_stopping(parts.jobs.wait(job_id, left, version=job.version), stopping)
        if changed is None:
            break
        job = changed
    return job


def result_folder(parts: Parts, job: Job) -> Path:
    """The folder of a job's result.

    Raises:
        RequestProblem: the job has none: 409.
    """
    if job.state is not JobState.DONE or job.result is None:
        raise _not_there(job)
    return parts.blobs.root / job.result


async def _overlay(parts: Parts, job: Job, prefix: str) -> Artifact | None:
    """The overlay of a job once it is drawn; None if none was requested.

    Raises:
        RequestProblem: it is not drawn yet, or can't be.
    """
    found = [each for each in await parts.artifacts.of(f"{OF_JOB}:{job.id}") if each.kind == ArtifactKind.OVERLAY]
    if not found:
        return None
    overlay, more = found[-1], {"artifact": ArtifactOut.of(found[-1], prefix).model_dump(mode="json")}
    if overlay.state in OPEN:
        detail = f"job {job.id}: expected an overlay that is done, got {overlay.state}"
        raise RequestProblem(Problem(409, "not-ready", detail, more, {"Retry-After": "1"}))
    if overlay.state is ArtifactState.FAILED:
        error = overlay.error or {"code": "internal", "detail": "no reason given"}
        again = f"POST /v1/jobs/{job.id}/artifacts requests it again"
        detail = f"job {job.id}: its overlay failed: {error.get('code')}: {error.get('detail')}; {again}"
        raise RequestProblem(Problem(409, "artifact-failed", detail, more))
    return overlay


def _document(folder: Path, headers: dict[str, str]) -> Response:
    """The JSON document of a result, made while it is sent."""
    return _streamed(_stored(folder).document(), ResultFormat.COCO_RLE, headers)


def _single_class(folder: Path, headers: dict[str, str]) -> Response:
    """YouTube-VIS records with one category per tubelet, made while they are sent."""
    result = _stored(folder)
    records = ytvis.pieces(result.head, result.opened_tubelets(), single_class=True)
    return _streamed(records, ResultFormat.YTVIS, headers)


def _stored(folder: Path) -> ResultFile:
    stored = folder / FILES[ResultFormat.COCO_RLE].stored
    return ResultFile.open(stored if stored.exists() else folder / BEFORE_SCHEMA_1)


def _streamed(pieces: Iterator[str], kind: ResultFormat, headers: dict[str, str]) -> Response:
    file = FILES[kind]
    disposition = {"Content-Disposition": f'inline; filename="{file.name}"'}
    sent = (piece.encode() for piece in pieces)
    return StreamingResponse(sent, headers=headers | disposition, media_type=file.media_type)


def _file(path: Path, kind: ResultFormat, headers: dict[str, str]) -> Response:
    file = FILES[kind]
    stat = path.stat()
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
        return RequestProblem(Problem(409, "job-canceled", f"job {job.id}: was canceled and has no result"))
    extensions = {"state": str(job.state), "progress": progress_of(job)}
    detail = f"job {job.id}: expected state done, got {job.state}"
    return RequestProblem(Problem(409, "not-ready", detail, extensions, {"Retry-After": "1"}))


def _matches(header: str, etag: str) -> bool:
    given = {each.strip().removeprefix("W/") for each in header.split(",")}
    return "*" in given or etag in given

"""Jobs: create, follow, cancel."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Query, Response, status
from starlette.requests import Request

from service.api.deps import JobId, MetricsDep, PartsDep, Prefix, SlotsDep, StoppingDep
from service.api.intake import job_request
from service.api.openapi.bodies import JOB_BODY
from service.api.openapi.links import FROM_JOB
from service.api.openapi.responses import RETRY_AFTER, refusals
from service.api.schemas import JobOut
from service.api.server.draining import unless_stopping
from service.state.artifact import OF_JOB, OPEN
from service.state.job import TERMINAL

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

log = structlog.get_logger("dualtrack.api")

MAX_WAIT_S = 60
POLL_AFTER_S = "1"
"""`Retry-After` for clients that poll, in seconds."""
DEPRECATION_HEADERS = {
    "Deprecation": {
        "description": "The request used old parameter names, deprecated since this date (RFC 9745).",
        "schema": {"type": "string", "enum": [job_request.DEPRECATION]},
    },
    "Warning": {"description": "With `Deprecation`: each old name and its replacement.", "schema": {"type": "string"}},
}
LOCATION = {"Location": {"description": "Path of the job.", "schema": {"type": "string"}}}


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    responses={
        202: {
            "description": "The job is queued.",
            "headers": {**LOCATION, **RETRY_AFTER, **DEPRECATION_HEADERS},
            "links": FROM_JOB,
        },
        **refusals(400, 404, 408, 410, 413, 415, 429, 507),
    },
    openapi_extra=JOB_BODY,
)
async def create_job(
    request: Request,
    response: Response,
    parts: PartsDep,
    slots: SlotsDep,
    metrics: MetricsDep,
    prefix: Prefix,
    # only so that OpenAPI shows the header; `job_request.read` reads it
    _key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="A key of your choice; repeating the request with it returns the same job.",
            # the reader of the header checks it
            json_schema_extra={"pattern": job_request.IDEMPOTENCY_KEY},
        ),
    ] = None,
) -> JobOut:
    """Segment a video.

    Send JSON for a video that is already uploaded, or a form that includes the video. A form can also include
    detections that replace the detector's. Put `parameters` first in a form: if they are invalid, the request ends
    before the upload.
    """
    async with job_request.read(request, parts, slots, metrics) as asked:
        job, created = await parts.jobs.create(
            asked.video_id,
            asked.to_stored(),
            detections=asked.detections,
            idempotency_key=asked.idempotency_key,
            fingerprint=asked.fingerprint(),
            request_id=request.state.request_id,
        )
    # with the request's id, which the log context adds here and in the worker
    log.info("job accepted", job=job.id, created=created)
    response.headers["Location"] = f"{prefix}/v1/jobs/{job.id}"
    response.headers["Retry-After"] = POLL_AFTER_S
    response.headers.update(asked.deprecation_headers())
    if not created:
        response.headers["Idempotency-Replayed"] = "true"
    return JobOut.of(job, [] if created else await parts.artifacts.of(f"{OF_JOB}:{job.id}"), prefix)


@router.get("/{job_id}", response_description="The job.", responses=refusals(404, 410))
async def get_job(
    job_id: JobId,
    response: Response,
    parts: PartsDep,
    prefix: Prefix,
    stopping: StoppingDep,
    wait: Annotated[
        float, Query(ge=0, le=MAX_WAIT_S, description="Wait up to this many seconds for the job to end.")
    ] = 0,
    version: Annotated[
        int | None, Query(ge=0, description="With `wait`: answer as soon as the job's `version` differs from this one.")
    ] = None,
) -> JobOut:
    """A job: its state, progress and estimated time left, and its artifacts.

    With `wait`, the response is sent once the job has ended; with `version` as well, also at its next change, and for
    an ended job at the next change of an artifact that has not ended.
    """
    job = await unless_stopping(parts.jobs.wait(job_id, wait, version=version), stopping) if wait else None
    if job is None:
        job = await parts.jobs.get(job_id)
    artifacts = await parts.artifacts.of(f"{OF_JOB}:{job_id}")
    response.headers["Cache-Control"] = "no-store"
    if job.state not in TERMINAL or any(each.state in OPEN for each in artifacts):
        response.headers["Retry-After"] = POLL_AFTER_S
    return JobOut.of(job, artifacts, prefix)


@router.delete(
    "/{job_id}",
    status_code=status.HTTP_202_ACCEPTED,
    response_description="The job; a running one stops soon.",
    responses=refusals(404, 410),
)
async def cancel_job(job_id: JobId, parts: PartsDep, prefix: Prefix) -> JobOut:
    """Cancel a queued or running job. A job that has ended is not changed, nor are its artifacts."""
    job = await parts.jobs.cancel(job_id)
    return JobOut.of(job, await parts.artifacts.of(f"{OF_JOB}:{job_id}"), prefix)

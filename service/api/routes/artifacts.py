"""Artifacts of a job: files that are made from its result, after the job is done."""

from fastapi import APIRouter, Response, status
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from service.api.deps import JobId, PartsDep, Prefix
from service.api.intake import artifact_request
from service.api.openapi.bodies import ARTIFACT_BODY
from service.api.openapi.responses import RETRY_AFTER, refusals
from service.api.routes.results import result_folder
from service.api.schemas import ArtifactKind, ArtifactOut
from service.pipeline.parameters.job_parameters import parse_stored
from service.state.artifact import OF_JOB, ArtifactKey, ArtifactState

router = APIRouter(prefix="/v1/jobs", tags=["results"])

POLL_AFTER_S = "1"
OPTIONS = {ArtifactKind.OVERLAY: lambda stored: {"min_score": parse_stored(stored).overlay_threshold}}
"""Options of an artifact by kind, from the parameters of its job."""
LOCATION = {"Location": {"description": "Path of the file.", "schema": {"type": "string"}}}


@router.post(
    "/{job_id}/artifacts",
    status_code=status.HTTP_202_ACCEPTED,
    responses={
        200: {"description": "The artifact is done.", "model": ArtifactOut, "headers": LOCATION},
        202: {"description": "The artifact waits or is being made.", "headers": {**LOCATION, **RETRY_AFTER}},
        **refusals(400, 404, 408, 409, 410, 413, 415, 429),
    },
    openapi_extra=ARTIFACT_BODY,
)
async def create_artifact(
    job_id: JobId, request: Request, response: Response, parts: PartsDep, prefix: Prefix
) -> ArtifactOut:
    """Request a file that is made from the result of a finished job, such as the overlay of a job created without one.

    Repeating the request is harmless: an artifact that waits, is being made or is done is returned as it is. One that
    failed, or whose file is gone, is made again.
    """
    kind = (await artifact_request.read(request)).kind
    job = await parts.jobs.get(job_id)
    result_folder(parts, job)
    key = ArtifactKey(f"{OF_JOB}:{job_id}", kind, OPTIONS[kind](job.parameters))
    artifact = await parts.artifacts.create(key)
    if artifact.file is not None and not await run_in_threadpool((parts.blobs.root / artifact.file).exists):
        artifact = await parts.artifacts.create(key, missing=artifact.file)
    made = ArtifactOut.of(artifact, prefix)
    response.headers["Location"] = made.link
    if artifact.state is ArtifactState.DONE:
        response.status_code = status.HTTP_200_OK
    else:
        response.headers["Retry-After"] = POLL_AFTER_S
    return made

"""Videos: upload, look at, delete."""

from typing import Annotated

from fastapi import APIRouter, Header, Response, status
from starlette.requests import Request

from service.api.deps import MetricsDep, PartsDep, Prefix, SlotsDep, VideoId
from service.api.intake import video_request
from service.api.openapi.bodies import VIDEO_BODY
from service.api.openapi.links import FROM_VIDEO
from service.api.openapi.responses import refusals
from service.api.schemas import VideoOut

router = APIRouter(prefix="/v1/videos", tags=["videos"])

LOCATION = {"Location": {"description": "Path of the video.", "schema": {"type": "string"}}}


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses={
        200: {
            "description": "The same file is already stored.",
            "model": VideoOut,
            "headers": LOCATION,
            "links": FROM_VIDEO,
        },
        201: {"description": "The video is stored.", "headers": LOCATION, "links": FROM_VIDEO},
        **refusals(400, 408, 413, 415, 429, 507),
    },
    openapi_extra=VIDEO_BODY,
)
async def upload_video(
    request: Request,
    response: Response,
    parts: PartsDep,
    slots: SlotsDep,
    metrics: MetricsDep,
    prefix: Prefix,
    # only for OpenAPI; `body.filename` reads it
    _disposition: Annotated[
        str | None,
        Header(
            alias="Content-Disposition",
            description="The file name of a raw body.",
            examples=['attachment; filename="clip.mp4"'],
        ),
    ] = None,
) -> VideoOut:
    """Upload a video. Its id is its SHA-256, so the same file is stored once."""
    video, created = await video_request.read(request, parts, slots, metrics)
    response.status_code = status.HTTP_201_CREATED if created else status.HTTP_200_OK
    response.headers["Location"] = f"{prefix}/v1/videos/{video.id}"
    return VideoOut.of(video, await parts.cache.entries(video.id))


@router.get("/{video_id}", response_description="The video.", responses=refusals(404))
async def get_video(video_id: VideoId, parts: PartsDep) -> VideoOut:
    """A video: what the file contains, and which stage results are cached for further jobs."""
    return VideoOut.of(await parts.videos.get(video_id), await parts.cache.entries(video_id))


@router.delete(
    "/{video_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    response_description="The video is deleted.",
    responses=refusals(404),
)
async def delete_video(video_id: VideoId, parts: PartsDep) -> None:
    """Delete a video with its file, its cache and the results of its jobs, which answer 410 from then on."""
    await parts.videos.delete(video_id)

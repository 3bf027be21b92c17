"""Videos: upload, look at, delete."""

from fastapi import APIRouter, Response, status
from starlette.requests import Request

from service.api.deps import MetricsDep, PartsDep, SlotsDep, VideoId
from service.api.intake import video_request
from service.api.openapi import VIDEO_BODY, refusals
from service.api.schemas import VideoOut

router = APIRouter(prefix="/v1/videos", tags=["videos"])

LOCATION = {"Location": {"description": "Address of the video.", "schema": {"type": "string"}}}


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses={
        200: {"description": "The same file is stored already.", "model": VideoOut, "headers": LOCATION},
        201: {"headers": LOCATION},
        **refusals(400, 408, 413, 415, 429, 507),
    },
    openapi_extra=VIDEO_BODY,
)
async def upload_video(
    request: Request, response: Response, parts: PartsDep, slots: SlotsDep, metrics: MetricsDep
) -> VideoOut:
    """Upload a video, as the part `file` of a form or as the raw body. Its id is its SHA-256."""
    video, created = await video_request.read(request, parts, slots, metrics)
    response.status_code = status.HTTP_201_CREATED if created else status.HTTP_200_OK
    response.headers["Location"] = f"/v1/videos/{video.id}"
    return VideoOut.of(video, await parts.cache.entries(video.id))


@router.get("/{video_id}", responses=refusals(404))
async def get_video(video_id: VideoId, parts: PartsDep) -> VideoOut:
    """What is known of a video, and what is cached of it."""
    return VideoOut.of(await parts.videos.get(video_id), await parts.cache.entries(video_id))


@router.delete("/{video_id}", status_code=status.HTTP_204_NO_CONTENT, responses=refusals(404))
async def delete_video(video_id: VideoId, parts: PartsDep) -> None:
    """Delete a video, its file and what is cached of it; its jobs answer 410 from then on."""
    await parts.videos.delete(video_id)

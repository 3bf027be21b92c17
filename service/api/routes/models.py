"""The networks in use."""

from fastapi import APIRouter

from service.api.deps import PartsDep
from service.api.openapi.responses import refusals
from service.api.schemas import ModelsOut
from service.wiring import current_release

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", response_description="The networks.", responses=refusals())
async def get_models(parts: PartsDep) -> ModelsOut:
    """The networks in use: architecture, release, classes and graphs."""
    return ModelsOut.of(await current_release(parts), parts.classes.classes)

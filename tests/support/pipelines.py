"""Runs the whole pipeline on a file, in process or through Triton."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dualtrack.digest import sha256_of
from service.media.limits import VideoLimits
from service.pipeline.context import open_context
from service.pipeline.parameters.job_parameters import JobParameters
from service.pipeline.progress import Report
from service.pipeline.store.cache import NoCache, StageCache
from service.pipeline.video_file import segment
from service.settings import Settings
from tests.support.overlays import draw_overlay
from tests.support.results import document_in

REPOSITORY = Path(__file__).parents[2] / "model_repository"


def run(
    video: Path,
    out: Path,
    *,
    triton_url: str | None = None,
    report: Report = lambda _: None,
    cache: StageCache | None = None,
    checkpoint_frames: int = 0,
    limits: VideoLimits | None = None,
    budgets: Mapping[str, int] | None = None,
    **parameters: Any,
) -> dict[str, Any]:
    """The result document of `video`; the overlay is drawn if `parameters` request it."""
    settings = Settings(
        data_dir=out,
        model_repository=REPOSITORY,
        triton_url=triton_url,
        inference_deadline_s=60,
        limits=limits or VideoLimits(),
    )
    chosen = JobParameters(**{"overlay": False, **parameters})

    async def work() -> None:
        opened = replace(settings.engine_settings(), checkpoint_frames=checkpoint_frames)
        async with open_context(opened, out / "scratch") as context:
            own = replace(context, cache=cache or NoCache(), **(budgets or {}))
            await segment(video, out, sha256=sha256_of(video), context=own, parameters=chosen, report=report)

    asyncio.run(work())
    if chosen.overlay:
        draw_overlay(video, out)
    return document_in(out)

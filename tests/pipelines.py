"""Runs the whole pipeline on a file, in process or through Triton."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.inference.open import open_client
from service.inference.repository.manifest import load_manifest
from service.media.limits import VideoLimits
from service.pipeline.job_parameters import JobParameters
from service.pipeline.networks import Networks
from service.pipeline.run import Report
from service.pipeline.store.cache import NoCache, StageCache
from service.pipeline.video_file import PipelineContext, segment
from tests.results import document_in

REPOSITORY = Path(__file__).parent.parent / "model_repository"


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
    """The result document of `video`."""

    async def work() -> None:
        manifest = load_manifest(REPOSITORY)
        client = await open_client(
            manifest, triton_url=triton_url, providers=["CPUExecutionProvider"], threads=2, deadline_s=60
        )
        context = PipelineContext(
            Networks(client, manifest),
            limits or VideoLimits(),
            out / "scratch",
            cache or NoCache(),
            checkpoint_frames=checkpoint_frames,
            **(budgets or {}),
        )
        try:
            chosen = JobParameters(**{"overlay": False, **parameters})
            await segment(video, out, context=context, parameters=chosen, report=report)
        finally:
            await client.close()

    asyncio.run(work())
    return document_in(out)

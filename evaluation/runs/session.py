"""Opens what every evaluation needs: networks, scratch folder, stage cache, and each video."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

from dualtrack.digest import sha256_of
from dualtrack.errors import InvalidDataset
from evaluation.data.dataset import AnnotatedVideo
from service.media.probe import probe
from service.pipeline import context as pipeline_context
from service.pipeline.context import PipelineContext
from service.pipeline.parameters.job_parameters import JobParameters
from service.pipeline.run import Run
from service.pipeline.video_file import open_clip
from service.processes.scratch import scratch_folder, sweep_scratch
from service.settings import Settings


@asynccontextmanager
async def open_context(settings: Settings) -> AsyncIterator[PipelineContext]:
    """Networks and folders by the settings; closed and cleaned up at the end. Leftovers of a killed run are removed."""
    scratch_root = settings.data_dir / "scratch"
    await asyncio.to_thread(sweep_scratch, scratch_root)
    # a killed evaluation is never resumed, so it needs no checkpoints
    opened = replace(settings.engine_settings(), checkpoint_frames=0)
    with scratch_folder(scratch_root, f"evaluation-{uuid4().hex}") as scratch:
        scratch.mkdir()
        async with pipeline_context.open_context(opened, scratch) as made:
            yield made


@asynccontextmanager
async def open_run(video: AnnotatedVideo, context: PipelineContext, parameters: JobParameters) -> AsyncIterator[Run]:
    """One annotated video, decoded, as input of the stages.

    Raises:
        InvalidDataset: an annotated frame is beyond the end of the file.
    """
    info = await probe(video.path, context.limits)
    clip = await open_clip(video.path, info, context, parameters, lambda _: None)
    try:
        if max(video.frames, default=-1) >= len(clip):
            raise InvalidDataset(
                f"video {video.name}: expected {max(video.frames) + 1} or more frames in {video.path}, got {len(clip)}"
            )
        yield Run(
            clip=clip,
            cache_name=sha256_of(video.path),
            networks=context.networks,
            params=parameters.pipeline_params(),
            cache=context.cache,
            feature_bytes=context.feature_bytes,
            scratch=context.scratch,
            spill_bytes=context.spill_bytes,
            report=lambda _: None,
            detector_override=context.detector,
        )
    finally:
        clip.close()

"""The whole pipeline on made frames with the fake networks, which see them in their original size."""

import asyncio
from dataclasses import replace
from pathlib import Path

from service.inference.fake.client import FakeClient
from service.inference.repository.manifest import load_manifest
from service.pipeline.networks import Networks
from service.pipeline.parameters.params import DetectorParams, PipelineParams, preset
from service.pipeline.run import Run, VideoResult, process_video
from service.pipeline.store.cache import NoCache
from service.structures.arrays import U8
from tests.support.clips import stored
from tests.support.pipelines import REPOSITORY


def default_params(frames: U8) -> PipelineParams:
    """The defaults, for networks that see (T, H, W, 3) frames as they are."""
    return replace(preset("default"), detector=DetectorParams(short_side=min(frames.shape[1:3])))


def process(frames: U8, path: Path, params: PipelineParams | None = None) -> VideoResult:
    """What becomes of (T, H, W, 3) RGB frames, stored below `path`."""
    clip, manifest = stored(path, frames), load_manifest(REPOSITORY)
    networks = Networks(FakeClient(manifest.dims), manifest)
    chosen = params or default_params(frames)
    run = Run(clip, "synthetic", networks, chosen, NoCache(), feature_bytes=1 << 28, report=lambda _: None)
    try:
        return asyncio.run(process_video(run))
    finally:
        clip.close()
